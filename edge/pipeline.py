"""The pipeline: camera → faces → masks → sighting → outbox, in stages that overlap.

While the masks of a frame are classified and its faces are followed, the detector works on the next
frame, and the camera's thread reads the one after. The frames are followed strictly in their order.
A thread of its own writes events to the disk (`edge.delivery.writer`). A frame never waits for the
next one: where none has arrived yet, it is judged alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from uuid_utils.compat import uuid7

from cloud.contract import Event, Label
from edge.capture.sources import Source, SourceKind
from edge.delivery.writer import OutboxWriter
from edge.faces import FaceDetector
from edge.inference.pending import Pending
from edge.masks import MaskClassifier
from edge.preview import BLUR_SCORE
from edge.region import Region
from edge.settings import Stills
from edge.stages import Stage, Stages
from edge.stills.check import StillsCheck
from edge.tracking.sightings import SightingTracker
from edge.tracking.tracks import FAINT_SCORE
from edge.tracking.votes import VotingRules
from edge.values import Face, Frame, Judgement, TrackedFace, Verdict


class FrameCamera(Protocol):
    """What the pipeline asks a camera."""

    @property
    def source(self) -> Source:
        """Where the pictures come from."""

    def frames(self) -> Iterator[Frame]:
        """Wait for frames, until the source ends or the camera is stopped."""

    def take_newest(self) -> Frame | None:
        """Return a frame that nobody has taken yet; None if there is none now."""


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
        """A verdict is safely in the outbox, and may be shown. The writer's thread calls this."""

    def still_suspected(self, track: int) -> None:
        """A masked face has not moved for seconds, and gets no pass: it may be a picture."""


@dataclass(frozen=True, slots=True)
class _Detection:
    """A frame whose faces are being found; they are wanted with fainter boxes for a preview."""

    frame: Frame
    faces: Pending[list[Face]]
    wants_preview: bool


class Pipeline:
    """Judges the frames of one camera.

    Args:
        camera: Started by the caller.
        detector: Finds faces.
        classifier: Labels faces.
        sightings: Follows people and counts votes.
        writer: Stores the events.
        observer: Gets notice of what happens.
        max_faces: Faces judged in a frame at most; those that need a vote most are judged.
        stills: Says which faces may be pictures of people; None suspects none.
        on_verdict: Is called with each verdict and its frame, before the verdict is stored.
        region: The part of the picture in which faces are judged; None for the whole.
        camera_name: Goes into each verdict; empty where the device has one camera.
        stages: Get notice of each call that may hang.
        is_dead: Says whether a frame shows nothing of the door, so that no verdict may come of it.
    """

    def __init__(
        self,
        *,
        camera: FrameCamera,
        detector: FaceDetector,
        classifier: MaskClassifier,
        sightings: SightingTracker,
        writer: OutboxWriter,
        observer: PipelineObserver,
        max_faces: int,
        stills: StillsCheck | None = None,
        on_verdict: Callable[[Frame, Verdict], None] = lambda _frame, _verdict: None,
        region: Region | None = None,
        camera_name: str = "",
        stages: Stages | None = None,
        is_dead: Callable[[Frame], bool] = lambda _frame: False,
    ) -> None:
        self._camera = camera
        self._detector = detector
        self._classifier = classifier
        self._sightings = sightings
        self._writer = writer
        self._observer = observer
        self._max_faces = max_faces
        # A folder of pictures has nothing that moves.
        is_folder = camera.source.kind is SourceKind.PICTURES
        self._stills = StillsCheck(Stills.OFF) if is_folder or stills is None else stills
        self._on_verdict = on_verdict
        self._region = region
        self._camera_name = camera_name
        self._stages = stages if stages is not None else Stages()
        self._is_dead = is_dead
        self._last_size: tuple[int, int] | None = None

    def run(self) -> None:
        """Judge frames until the source ends or the camera is stopped, and store all verdicts.

        Raises:
            SourceError: The source failed for good.
            ModelUnfitError: A model failed.
        """
        for frame in self._camera.frames():
            detection = self._begin(frame)
            while detection is not None:
                found = self._faces(detection)
                # The detector works on the next frame while this one is classified and followed.
                newer = self._camera.take_newest()
                following = self._begin(newer) if newer is not None else None
                self._judge(detection, found)
                detection = following
        self._writer.flush()

    @property
    def still_in_view(self) -> bool:
        """Whether a face in view is suspected to be a picture."""
        return self._stills.in_view

    def configure(self, rules: VotingRules, max_faces: int) -> None:
        """Use other rules from the next frame on."""
        self._sightings.change_rules(rules)
        self._max_faces = max_faces

    def process(self, frame: Frame) -> None:
        """Judge one frame alone, and wait until the verdicts that follow from it are stored."""
        detection = self._begin(frame)
        if detection is not None:
            self._judge(detection, self._faces(detection))
        self._writer.flush()

    def _begin(self, frame: Frame) -> _Detection | None:
        """Begin to find the faces of a frame; None if the frame shows nothing of the door."""
        if self._is_dead(frame):
            self._observer.frame_skipped()
            return None
        image = frame.image if self._region is None else self._region.seen(frame.image)
        # A folder may hold pictures of many sizes. Compiling for a size takes long, so it is done
        # only for a size that came twice in a row.
        if frame.size == self._last_size or self._camera.source.kind is not SourceKind.PICTURES:
            with self._stages.doing(Stage.COMPILATION):
                self._detector.expect(*image.shape[:2])
        self._last_size = frame.size
        wants_preview = self._observer.wants_preview
        with self._stages.doing(Stage.INFERENCE):
            least = BLUR_SCORE if wants_preview else FAINT_SCORE
            faces = self._detector.start(image, min_score=least)
        return _Detection(frame, faces, wants_preview)

    def _faces(self, detection: _Detection) -> list[Face]:
        with self._stages.doing(Stage.INFERENCE):
            found = detection.faces.result()
        if self._region is None:
            return found
        return self._region.in_picture(found, *detection.frame.size)

    def _judge(self, detection: _Detection, found: list[Face]) -> None:
        """Label and follow the faces of a frame, and pass on the verdicts that follow from it."""
        frame = detection.frame
        # Non-maximum suppression keeps the surest box first, so the fainter boxes that the tracker
        # and a preview need change nothing about the faces that are judged.
        faces = [face for face in found if face.score >= self._detector.threshold]
        if self._region is not None:
            faces = [face for face in faces if self._region.holds(face, *frame.size)]
        faint = [face for face in found if face.score < self._detector.threshold]
        # All faces are tracked. The classifier then labels those that need a vote, and most.
        followed = self._sightings.associate(faces, frame.time_s, frame.image, faint)
        due = [each for each in followed if each.known is None]
        voters = [each for each in due if self._classifier.can_judge(each.face)][: self._max_faces]
        with self._stages.doing(Stage.INFERENCE):
            labels = self._classifier.start(frame.image, [each.face for each in voters])
        held = self._stills.watch(frame.image, followed)
        with self._stages.doing(Stage.INFERENCE):
            judgements = labels.result()
        too_small = sum(not self._classifier.can_judge(face) for face in faces)
        self._observer.frame_judged(frame, judgements, too_small)
        if detection.wants_preview:
            known = [each.known for each in followed if each.known is not None]
            hidden = None if self._region is None else self._region.blacked_out(frame.image)
            shown = frame if hidden is None else replace(frame, image=hidden)
            self._observer.preview_ready(shown, found, judgements + known)

        self._report_stills(held, voters, judgements)
        for found_verdict in self._sightings.vote(voters, judgements, frame.captured_at, held):
            verdict = replace(found_verdict, camera=self._camera_name)
            self._on_verdict(frame, verdict)
            models = {"detector": self._detector.digest, "classifier": self._classifier.digest}
            event = event_of(verdict, models)
            self._writer.put(event, partial(self._observer.verdict_stored, verdict, event))

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
        camera=verdict.camera or None,
    )
