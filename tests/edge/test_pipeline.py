from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.contract import Event, Label
from edge.capture.camera import Camera
from edge.capture.sources import Source, SourceKind
from edge.delivery.outbox import Outbox
from edge.errors import OutboxFullError
from edge.loaded_models import LoadedModels
from edge.pipeline import Pipeline, event_of
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
        self.errors: list[OutboxFullError] = []
        self.stills: list[int] = []
        self.wants_preview = False
        self.skipped = 0
        self.faces_seen: list[list[Face]] = []

    def frame_skipped(self) -> None:
        self.skipped += 1

    def preview_ready(self, frame: Frame, faces: list[Face], judgements: list[Judgement]) -> None:
        self.faces_seen.append(faces)

    def frame_judged(self, frame: Frame, judgements: list[Judgement], too_small: int) -> None:
        self.frames.append((len(judgements), too_small))

    def verdict_stored(self, verdict: Verdict, event: Event) -> None:
        self.stored_events.append(event)
        self.depths.append(self._outbox.depth())

    def still_suspected(self, track: int) -> None:
        self.stills.append(track)

    def verdict_held_back(self, error: OutboxFullError) -> None:
        self.errors.append(error)


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


class FullOutbox(Outbox):
    """An outbox whose disk is full until the test makes room."""

    full = True

    def put(self, event: Event) -> bool:
        if self.full:
            raise OutboxFullError("the disk is full")
        return super().put(event)


def build(
    models: LoadedModels,
    outbox: Outbox,
    images: list[Image],
    *,
    max_faces: int = 4,
    stills: Stills = Stills.OFF,
) -> tuple[Pipeline, ObserverFake, Camera]:
    observer = ObserverFake(outbox)
    camera = Camera(
        Source(SourceKind.VIDEO, "memory"),
        pace=Pace.EVERY_FRAME,
        opener=lambda: ImagesCapture(images),
    )
    pipeline = Pipeline(
        camera=camera,
        detector=models.detector,
        classifier=models.classifier,
        sightings=SightingTracker(VotingRules(votes=5)),
        outbox=outbox,
        observer=observer,
        max_faces=max_faces,
        stills=StillsCheck(stills),
    )
    return pipeline, observer, camera


def frames(images: list[Image]) -> list[Frame]:
    return [
        Frame(image, START + timedelta(seconds=i / 10), i, time_s=i / 10)
        for i, image in enumerate(images)
    ]


def test_a_picture_that_does_not_move_gets_no_pass_and_is_reported_once(
    models: LoadedModels, tmp_path: Path
) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        poster = [standins.picture(standins.GREEN)] * 60
        pipeline, observer, _ = build(models, outbox, poster, stills=Stills.MOTIONLESS)
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


def test_a_refusal_needs_no_movement(models: LoadedModels, tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        bare = [standins.picture(standins.RED)] * 10
        pipeline, observer, _ = build(models, outbox, bare, stills=Stills.MOTIONLESS)
        for frame in frames(bare):
            pipeline.process(frame)
        assert [event.label for event in observer.stored_events] == [Label.WITHOUT_MASK]
        assert observer.stills == []


def test_a_person_in_front_of_the_camera_becomes_an_event(
    models: LoadedModels, tmp_path: Path
) -> None:
    images = [standins.picture(None)] * 3 + [standins.picture(standins.RED)] * 8
    with Outbox(tmp_path / "outbox.db") as outbox:
        pipeline, observer, camera = build(models, outbox, images)
        with camera:
            pipeline.run()
        waiting = outbox.peek()
        assert outbox.depth() == 1
    assert waiting is not None
    event = Event.model_validate_json(waiting.body)
    assert (event.label, event.votes) == (Label.WITHOUT_MASK, 5)
    assert event.occurred_at - event.first_seen_at == timedelta(seconds=0.4)
    assert event.models == models.digests
    assert observer.frames == [(0, 0)] * 3 + [(1, 0)] * 8


def test_a_verdict_is_shown_only_when_it_is_safe(models: LoadedModels, tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        pipeline, observer, _ = build(models, outbox, [])
        for frame in frames([standins.picture(standins.GREEN)] * 6):
            pipeline.process(frame)
    assert observer.depths == [1]


def test_a_full_disk_delays_a_verdict_and_loses_none(models: LoadedModels, tmp_path: Path) -> None:
    with FullOutbox(tmp_path / "outbox.db") as outbox:
        pipeline, observer, _ = build(models, outbox, [])
        taken = frames([standins.picture(standins.GREEN)] * 8)
        for frame in taken[:7]:
            pipeline.process(frame)
        assert observer.stored_events == []
        assert len(observer.errors) == 3
        outbox.full = False
        pipeline.process(taken[7])
        (event,) = observer.stored_events
        assert event.occurred_at == taken[4].captured_at
        assert outbox.depth() == 1


def test_a_verdict_that_cannot_be_stored_at_the_end_is_an_error(
    models: LoadedModels, tmp_path: Path
) -> None:
    with FullOutbox(tmp_path / "outbox.db") as outbox:
        pipeline, _, camera = build(models, outbox, [standins.picture(standins.GREEN)] * 6)
        with camera, pytest.raises(OutboxFullError):
            pipeline.run()


def test_a_face_that_is_too_small_is_counted_and_not_judged(
    models: LoadedModels, tmp_path: Path
) -> None:
    small = standins.picture(standins.RED, box=(10, 10, 30, 30))
    with Outbox(tmp_path / "outbox.db") as outbox:
        pipeline, observer, _ = build(models, outbox, [])
        for frame in frames([small] * 10):
            pipeline.process(frame)
        assert outbox.depth() == 0
    assert observer.frames == [(0, 1)] * 10


def test_pictures_of_many_sizes_are_judged_alike(models: LoadedModels, tmp_path: Path) -> None:
    sizes = [(240, 320), (240, 320), (480, 640), (200, 300), (200, 300), (240, 320)]
    images = [standins.picture(standins.GREEN, size=size) for size in sizes]
    with Outbox(tmp_path / "outbox.db") as outbox:
        pipeline, observer, _ = build(models, outbox, [])
        for frame in frames(images):
            pipeline.process(frame)
    assert observer.frames == [(1, 0)] * 6
    assert len(observer.stored_events) == 1


def test_each_event_has_an_id_of_its_own_that_sorts_by_time() -> None:
    verdict = Verdict(Label.WITH_MASK, 1, 5, START, START, 1, Box(0, 0, 1, 1))
    ids = [event_of(verdict, {}).id for _ in range(100)]
    assert len(set(ids)) == 100
    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}
