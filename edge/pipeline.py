"""The pipeline: camera → faces → masks → sighting → outbox, one frame after the other."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from uuid_utils.compat import uuid7

from cloud.contract import Event, Label
from edge.capture.camera import Camera
from edge.capture.sources import SourceKind
from edge.delivery.outbox import Outbox
from edge.errors import OutboxFullError
from edge.faces import FaceDetector
from edge.masks import MaskClassifier
from edge.preview import BLUR_SCORE
from edge.settings import Stills
from edge.stages import Stage, Stages
from edge.stills.check import StillsCheck
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Face, Frame, Judgement, TrackedFace, Verdict


class PipelineObserver(Protocol):
    """Gets notice of what the pipeline does."""

    def frame_judged(self, frame: Frame, judgements: list[Judgement], too_small: int) -> None:
        """A frame was judged, but `too_small` of its faces were too small to be judged."""

    def frame_skipped(self) -> None:
        """A frame shows nothing of the door, and was not judged."""

    @property
    def wants_preview(self) -> bool:
        """Whether the pipeline shall call `preview_ready`."""

    def preview_ready(self, frame: Frame, faces: list[Face], judgements: list[Judgement]) -> None:
        """A frame was judged; `faces` are all boxes with a score of BLUR_SCORE or more."""

    def verdict_stored(self, verdict: Verdict, event: Event, /) -> None:
        """A verdict is safely in the outbox, and may be shown."""

    def still_suspected(self, track: int) -> None:
        """A masked face has not moved for seconds, and gets no pass: it may be a picture."""

    def verdict_held_back(self, error: OutboxFullError) -> None:
        """A verdict could not be stored; the pipeline keeps it in memory and tries again."""


class Pipeline:
    """Judges the frames of one camera.

    Args:
        camera: Started by the caller.
        detector: Finds faces.
        classifier: Labels faces.
        sightings: Follows people and counts votes.
        outbox: Stores the events.
        observer: Gets notice of what happens.
        max_faces: Faces judged in a frame at most; those that need a vote most are judged.
        stills: Says which faces may be pictures of people; None suspects none.
        on_verdict: Is called with each verdict and its frame, before the verdict is stored.
        stages: Get notice of each call that may hang.
        is_dead: Says whether a frame shows nothing of the door, so that no verdict may come of it.
    """

    def __init__(
        self,
        *,
        camera: Camera,
        detector: FaceDetector,
        classifier: MaskClassifier,
        sightings: SightingTracker,
        outbox: Outbox,
        observer: PipelineObserver,
        max_faces: int,
        stills: StillsCheck | None = None,
        on_verdict: Callable[[Frame, Verdict], None] = lambda _frame, _verdict: None,
        stages: Stages | None = None,
        is_dead: Callable[[Frame], bool] = lambda _frame: False,
    ) -> None:
        self._camera = camera
        self._detector = detector
        self._classifier = classifier
        self._sightings = sightings
        self._outbox = outbox
        self._observer = observer
        self._max_faces = max_faces
        # A folder of pictures has nothing that moves.
        is_folder = camera.source.kind is SourceKind.PICTURES
        self._stills = StillsCheck(Stills.OFF) if is_folder or stills is None else stills
        self._on_verdict = on_verdict
        self._stages = stages if stages is not None else Stages()
        self._is_dead = is_dead
        self._models = {"detector": detector.digest, "classifier": classifier.digest}
        self._last_size: tuple[int, int] | None = None
        self._unstored: deque[tuple[Verdict, Event]] = deque()

    def run(self) -> None:
        """Judge frames until the source ends or the camera is stopped.

        Raises:
            SourceError: The source failed for good.
            ModelUnfitError: A model failed.
            OutboxError: The source has ended, and a verdict could not be stored.
        """
        for frame in self._camera.frames():
            self.process(frame)
        if self._unstored:
            self._store(*self._unstored[0])

    @property
    def still_in_view(self) -> bool:
        """Whether a face in view is suspected to be a picture."""
        return self._stills.in_view

    def configure(self, rules: VotingRules, max_faces: int) -> None:
        """Use other rules from the next frame on."""
        self._sightings.change_rules(rules)
        self._max_faces = max_faces

    def process(self, frame: Frame) -> None:
        """Judge one frame, and store the verdicts that follow from it."""
        if self._is_dead(frame):
            self._observer.frame_skipped()
            return
        # A folder may hold pictures of many sizes. Compiling for a size takes long, so it is done
        # only for a size that came twice in a row.
        if frame.size == self._last_size or self._camera.source.kind is not SourceKind.PICTURES:
            with self._stages.doing(Stage.COMPILATION):
                self._detector.expect(*frame.size)
        self._last_size = frame.size

        wants_preview = self._observer.wants_preview
        with self._stages.doing(Stage.INFERENCE):
            found = self._detector.detect(
                frame.image, min_score=BLUR_SCORE if wants_preview else None
            )
        # Non-maximum suppression keeps the surest box first, so the fainter boxes that a preview
        # needs change nothing about the faces that are judged.
        faces = [face for face in found if face.score >= self._detector.threshold]
        # All faces are tracked. The classifier then labels those that need a vote most.
        followed = self._sightings.associate(faces, frame.time_s, frame.image)
        voters = [each for each in followed if self._classifier.can_judge(each.face)]
        voters = voters[: self._max_faces]
        with self._stages.doing(Stage.INFERENCE):
            judgements = self._classifier.judge(frame.image, [each.face for each in voters])
        too_small = sum(not self._classifier.can_judge(face) for face in faces)
        self._observer.frame_judged(frame, judgements, too_small)
        if wants_preview:
            self._observer.preview_ready(frame, found, judgements)

        held = self._stills.watch(frame.image, followed)
        self._report_stills(held, voters, judgements)
        for verdict in self._sightings.vote(voters, judgements, frame.captured_at, held):
            self._on_verdict(frame, verdict)
            self._unstored.append((verdict, event_of(verdict, self._models)))
        while self._unstored:
            try:
                self._store(*self._unstored[0])
            except OutboxFullError as error:
                self._observer.verdict_held_back(error)
                return
            self._unstored.popleft()

    def _report_stills(
        self, held: frozenset[int], voters: list[TrackedFace], judgements: list[Judgement]
    ) -> None:
        masked = {
            each.track
            for each, judged in zip(voters, judgements, strict=True)
            if judged.label is Label.WITH_MASK
        }
        for track in self._stills.newly_suspected(masked & held):
            self._observer.still_suspected(track)

    def _store(self, verdict: Verdict, event: Event) -> None:
        with self._stages.doing(Stage.STORAGE):
            self._outbox.put(event)
        self._observer.verdict_stored(verdict, event)


def event_of(verdict: Verdict, models: Mapping[str, str]) -> Event:
    """Make the event of a verdict, with a new id.

    Args:
        verdict: What the votes agreed on.
        models: SHA-256 of each model that judged, by role.

    Returns:
        The event as it goes over the wire.
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
