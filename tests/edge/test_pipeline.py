import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.contract import Event, Label
from edge.capture.camera import Camera
from edge.capture.sources import Source, SourceKind
from edge.delivery.outbox import Outbox
from edge.delivery.writer import OutboxWriter
from edge.inference.pending import Pending
from edge.loaded_models import LoadedModels
from edge.pipeline import FrameCamera, Pipeline, event_of
from edge.region import Region
from edge.settings import Pace, Stills
from edge.stills.check import StillsCheck
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Box, Face, Frame, Image, Judgement, Verdict
from tests.edge import standins

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class ObserverFake:
    """Remembers; and looks into the outbox at the moment when a verdict is shown."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.frames: list[tuple[int, int]] = []
        self.stored_events: list[Event] = []
        self.depths: list[int] = []
        self.stills: list[int] = []
        self.wants_preview = False
        self.skipped = 0
        self.faces_seen: list[list[Face]] = []
        self.shown: list[Frame] = []

    def frame_skipped(self) -> None:
        self.skipped += 1

    def preview_ready(self, frame: Frame, faces: list[Face], judgements: list[Judgement]) -> None:
        self.faces_seen.append(faces)
        self.shown.append(frame)

    def frame_judged(self, frame: Frame, judgements: list[Judgement], too_small: int) -> None:
        self.frames.append((len(judgements), too_small))

    def verdict_stored(self, verdict: Verdict, event: Event) -> None:
        self.stored_events.append(event)
        self.depths.append(self._outbox.depth())

    def still_suspected(self, track: int) -> None:
        self.stills.append(track)


class ImagesCapture:
    """Pictures from memory."""

    fps: float | None = 10.0
    position_s: float | None = None

    def __init__(self, images: list[Image]) -> None:
        self._images = iter(images)
        self.length: int | None = len(images)

    def read(self) -> Image | None:
        return next(self._images, None)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db") as outbox:
        yield outbox


@pytest.fixture
def writer(outbox: Outbox) -> Iterator[OutboxWriter]:
    with OutboxWriter(outbox) as writer:
        yield writer


def build(
    models: LoadedModels,
    outbox: Outbox,
    writer: OutboxWriter,
    images: list[Image],
    *,
    max_faces: int = 4,
    stills: Stills = Stills.OFF,
    camera: FrameCamera | None = None,
    region: Region | None = None,
) -> tuple[Pipeline, ObserverFake, Camera]:
    observer = ObserverFake(outbox)
    own = Camera(
        Source(SourceKind.VIDEO, "memory"),
        pace=Pace.EVERY_FRAME,
        opener=lambda: ImagesCapture(images),
    )
    pipeline = Pipeline(
        camera=own if camera is None else camera,
        detector=models.detector,
        classifier=models.classifier,
        sightings=SightingTracker(VotingRules(votes=5)),
        writer=writer,
        observer=observer,
        max_faces=max_faces,
        stills=StillsCheck(stills),
        region=region,
    )
    return pipeline, observer, own


def frames(images: list[Image]) -> list[Frame]:
    return [
        Frame(image, START + timedelta(seconds=i / 10), i, time_s=i / 10)
        for i, image in enumerate(images)
    ]


def test_a_picture_that_does_not_move_gets_no_pass_and_is_reported_once(
    models: LoadedModels, outbox: Outbox, writer: OutboxWriter
) -> None:
    poster = [standins.picture(standins.GREEN)] * 60
    pipeline, observer, _ = build(models, outbox, writer, poster, stills=Stills.MOTIONLESS)
    for frame in frames(poster):
        pipeline.process(frame)
    assert observer.stored_events == []
    assert len(observer.stills) == 1
    # It was a person after all.
    moving = [
        standins.picture(standins.GREEN, box=(100 + 2 * n, 60, 180 + 2 * n, 140))
        for n in range(1, 9)
    ]
    for frame in frames(poster + moving)[60:]:
        pipeline.process(frame)
    assert [event.label for event in observer.stored_events] == [Label.WITH_MASK]


def test_a_refusal_needs_no_movement(
    models: LoadedModels, outbox: Outbox, writer: OutboxWriter
) -> None:
    bare = [standins.picture(standins.RED)] * 10
    pipeline, observer, _ = build(models, outbox, writer, bare, stills=Stills.MOTIONLESS)
    for frame in frames(bare):
        pipeline.process(frame)
    assert [event.label for event in observer.stored_events] == [Label.WITHOUT_MASK]
    assert observer.stills == []


def test_a_person_in_front_of_the_camera_becomes_an_event(
    models: LoadedModels, outbox: Outbox, writer: OutboxWriter
) -> None:
    images = [standins.picture(None)] * 3 + [standins.picture(standins.RED)] * 8
    pipeline, observer, camera = build(models, outbox, writer, images)
    with camera:
        pipeline.run()
    waiting = outbox.peek()
    assert outbox.depth() == 1
    assert waiting is not None
    event = Event.model_validate_json(waiting.body)
    assert (event.label, event.votes) == (Label.WITHOUT_MASK, 5)
    assert event.occurred_at - event.first_seen_at == timedelta(seconds=0.4)
    assert event.models == models.digests
    # With the fifth vote the person has a verdict, and is judged each fifth of a second.
    assert observer.frames == [(0, 0)] * 3 + [(1, 0)] * 5 + [(0, 0), (1, 0), (0, 0)]


def test_a_verdict_is_shown_only_when_it_is_safe(
    models: LoadedModels, outbox: Outbox, writer: OutboxWriter
) -> None:
    pipeline, observer, _ = build(models, outbox, writer, [])
    for frame in frames([standins.picture(standins.GREEN)] * 6):
        pipeline.process(frame)
    assert observer.depths == [1]


def test_a_face_that_is_too_small_is_counted_and_not_judged(
    models: LoadedModels, outbox: Outbox, writer: OutboxWriter
) -> None:
    small = standins.picture(standins.RED, box=(10, 10, 30, 30))
    pipeline, observer, _ = build(models, outbox, writer, [])
    for frame in frames([small] * 10):
        pipeline.process(frame)
    assert outbox.depth() == 0
    assert observer.frames == [(0, 1)] * 10


def test_pictures_of_many_sizes_are_judged_alike(
    models: LoadedModels, outbox: Outbox, writer: OutboxWriter
) -> None:
    sizes = [(240, 320), (240, 320), (480, 640), (200, 300), (200, 300), (240, 320)]
    images = [standins.picture(standins.GREEN, size=size) for size in sizes]
    pipeline, observer, _ = build(models, outbox, writer, [])
    for frame in frames(images):
        pipeline.process(frame)
    assert observer.frames == [(1, 0)] * 5 + [(0, 0)]
    assert len(observer.stored_events) == 1


@pytest.mark.parametrize(("x", "seen"), [(200, 1), (20, 0), (128, 0)])
def test_only_faces_with_their_centre_in_the_region_are_judged(
    models: LoadedModels, outbox: Outbox, writer: OutboxWriter, x: int, seen: int
) -> None:
    images = [standins.picture(standins.RED, box=(x, 60, x + 60, 120))] * 6
    region = Region(0.5, 0, 0.5, 1)
    pipeline, observer, _ = build(models, outbox, writer, [], region=region)
    observer.wants_preview = True
    for frame in frames(images):
        pipeline.process(frame)
    assert observer.frames[:5] == [(seen, 0)] * 5
    assert len(observer.stored_events) == seen
    # Boxes are in pixels of the whole picture, and what was not looked at is not shown.
    assert not observer.shown[0].image[:, :128].any()
    if seen:
        assert observer.faces_seen[0][0].box.x0 == pytest.approx(x, abs=3)


def test_each_event_has_an_id_of_its_own_that_sorts_by_time() -> None:
    verdict = Verdict(Label.WITH_MASK, 1, 5, START, START, 1, Box(0, 0, 1, 1))
    ids = [event_of(verdict, {}).id for _ in range(100)]
    assert len(set(ids)) == 100
    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}


class TakenFrames:
    """A camera whose frames are all there, or whose next frame comes only when it is awaited."""

    source = Source(SourceKind.VIDEO, "memory")

    def __init__(self, taken: list[Frame], *, late: bool) -> None:
        self._taken = deque(taken)
        self._late = late

    def frames(self) -> Iterator[Frame]:
        while self._taken:
            yield self._taken.popleft()

    def take_newest(self) -> Frame | None:
        return None if self._late or not self._taken else self._taken.popleft()


def calls_of(models: LoadedModels, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what begins, and whose faces are waited for."""
    calls: list[str] = []
    detect, judge = models.detector.start, models.classifier.start

    def number(image: Image) -> int:
        return int(image[0, 0, 0])

    def start_detection(image: Image, *, min_score: float | None = None) -> Pending[list[Face]]:
        calls.append(f"detect {number(image)}")
        return detect(image, min_score=min_score)

    def start_judging(image: Image, faces: Iterable[Face]) -> Pending[list[Judgement]]:
        calls.append(f"judge {number(image)}")
        return judge(image, faces)

    monkeypatch.setattr(models.detector, "start", start_detection)
    monkeypatch.setattr(models.classifier, "start", start_judging)
    return calls


@pytest.mark.parametrize("late", [False, True])
def test_the_next_frame_is_detected_first_if_it_is_there_and_is_never_waited_for(
    models: LoadedModels,
    outbox: Outbox,
    writer: OutboxWriter,
    monkeypatch: pytest.MonkeyPatch,
    late: bool,
) -> None:
    calls = calls_of(models, monkeypatch)
    images = [standins.picture(standins.GREEN) for _ in range(6)]
    for n, image in enumerate(images):
        image[0, 0] = n
    camera = TakenFrames(frames(images), late=late)
    pipeline, observer, _ = build(models, outbox, writer, [], camera=camera)
    pipeline.run()
    in_turns = [f"{what} {n}" for n in range(6) for what in ("detect", "judge")]
    overlapping = ["detect 0", *(c for n in range(5) for c in (f"detect {n + 1}", f"judge {n}"))]
    assert calls == (in_turns if late else [*overlapping, "judge 5"])
    assert [event.label for event in observer.stored_events] == [Label.WITH_MASK]


def test_an_end_waits_for_the_verdicts_that_a_slow_disk_has_not_stored(
    models: LoadedModels, tmp_path: Path
) -> None:
    class SlowOutbox(Outbox):
        begun, may_store = threading.Event(), threading.Event()

        def put(self, event: Event) -> bool:
            self.begun.set()
            assert self.may_store.wait(30)
            return super().put(event)

    bare = [standins.picture(standins.RED)] * 30
    with SlowOutbox(tmp_path / "outbox.db") as slow, OutboxWriter(slow) as writer:
        pipeline, observer, camera = build(models, slow, writer, bare)

        def release() -> None:
            # The frames after the verdict are judged while the disk has not answered.
            assert slow.begun.wait(30)
            while len(observer.frames) < len(bare):
                time.sleep(0.005)
            shown_before.extend(observer.stored_events)
            slow.may_store.set()

        shown_before: list[Event] = []
        disk = threading.Thread(target=release)
        disk.start()
        with camera:
            pipeline.run()
        assert len(observer.frames) == len(bare)
        assert shown_before == []
        assert [event.label for event in observer.stored_events] == [Label.WITHOUT_MASK]
        disk.join()
