"""The loop: camera → faces → masks → sighting → outbox."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from uuid_utils.compat import uuid7

from cloud.contract import Event
from edge.camera import Camera
from edge.errors import OutboxFullError
from edge.faces import FaceDetector
from edge.masks import MaskClassifier
from edge.outbox import Outbox
from edge.preview import BLUR_SCORE
from edge.sighting import Rules, Sightings
from edge.sources import Kind
from edge.values import Face, Frame, Judgement, Verdict


class Observer(Protocol):
    """Who is told of what the loop does."""

    def judged(self, frame: Frame, judgements: list[Judgement], too_small: int) -> None:
        """A frame was judged; `too_small` faces in it were not."""

    @property
    def watching(self) -> bool:
        """Whether `seen` is of use now."""

    def seen(self, frame: Frame, faces: list[Face], judgements: list[Judgement]) -> None:
        """A frame was judged; `faces` are all that may be one, from BLUR_SCORE up."""

    def stored(self, verdict: Verdict, event: Event, /) -> None:
        """A verdict is safely in the outbox, and may be shown."""

    def held_back(self, error: OutboxFullError) -> None:
        """A verdict could not be stored; it is kept in memory and tried again."""


class Pipeline:
    """Judges the frames of one camera.

    Args:
        camera: Started by the caller.
        detector: Of faces.
        classifier: Of masks.
        sightings: Follows people and counts votes.
        outbox: Takes the events.
        observer: Is told of what happens.
        max_faces: Faces judged in a frame, the largest first.
        on_verdict: Is given each verdict with the frame that settled it, before it is stored.
    """

    def __init__(
        self,
        *,
        camera: Camera,
        detector: FaceDetector,
        classifier: MaskClassifier,
        sightings: Sightings,
        outbox: Outbox,
        observer: Observer,
        max_faces: int,
        on_verdict: Callable[[Frame, Verdict], None] = lambda _frame, _verdict: None,
    ) -> None:
        self._camera = camera
        self._detector = detector
        self._classifier = classifier
        self._sightings = sightings
        self._outbox = outbox
        self._observer = observer
        self._max_faces = max_faces
        self._on_verdict = on_verdict
        self._models = {"detector": detector.digest, "classifier": classifier.digest}
        self._last_size: tuple[int, int] | None = None
        self._unstored: deque[tuple[Verdict, Event]] = deque()

    def run(self) -> None:
        """Go on until the source ends or the camera is stopped.

        Raises:
            SourceError: The source failed for good.
            ModelUnfitError: A model failed.
            OutboxError: A verdict could not be stored, and the source is over.
        """
        for frame in self._camera.frames():
            self.take(frame)
        if self._unstored:
            self._store(*self._unstored[0])

    def change(self, rules: Rules, max_faces: int) -> None:
        """Go by other rules from the next frame on."""
        self._sightings.change(rules)
        self._max_faces = max_faces

    def take(self, frame: Frame) -> None:
        """Judge one frame, and store what it settles."""
        # A folder of pictures may have many sizes; two in a row make one worth compiling for.
        if frame.size == self._last_size or self._camera.source.kind is not Kind.PICTURES:
            self._detector.expect(*frame.size)
        self._last_size = frame.size

        watching = self._observer.watching
        found = self._detector.detect(frame.image, min_score=BLUR_SCORE if watching else None)
        # Suppression goes from the surest face down, so fainter ones change nothing above them.
        faces = [face for face in found if face.score >= self._detector.threshold]
        judgeable = [face for face in faces if self._classifier.can_judge(face)]
        nearest = sorted(judgeable, key=lambda face: -face.box.area)[: self._max_faces]
        judgements = self._classifier.judge(frame.image, nearest)
        self._observer.judged(frame, judgements, len(faces) - len(judgeable))
        if watching:
            self._observer.seen(frame, found, judgements)

        for verdict in self._sightings.update(judgements, frame.captured_at):
            self._on_verdict(frame, verdict)
            self._unstored.append((verdict, event_of(verdict, self._models)))
        while self._unstored:
            try:
                self._store(*self._unstored[0])
            except OutboxFullError as error:
                self._observer.held_back(error)
                return
            self._unstored.popleft()

    def _store(self, verdict: Verdict, event: Event) -> None:
        self._outbox.put(event)
        self._observer.stored(verdict, event)


def event_of(verdict: Verdict, models: Mapping[str, str]) -> Event:
    """A verdict as it goes over the wire, with a new id.

    Args:
        verdict: What was settled.
        models: SHA-256 of each model that judged, by role.
    """
    return Event(
        id=uuid7(),
        label=verdict.label,
        confidence=verdict.confidence,
        votes=verdict.votes,
        first_seen_at=verdict.first_seen_at,
        occurred_at=verdict.occurred_at,
        models=dict(models),
    )
