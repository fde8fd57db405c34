import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import pytest
from structlog.testing import capture_logs

from cloud.contract import CameraState
from edge.capture.camera import Camera
from edge.capture.sources import Source, SourceKind
from edge.errors import SourceEmptyError, SourceError, SourceUnreadableError
from edge.settings import Pace
from edge.values import Frame, Image
from tests.doubles.network_camera import network_camera
from tests.edge import standins
from tests.edge.capture.test_sources import video

PICTURE = standins.picture(standins.RED)


class CaptureFake:
    """Gives so many pictures, then nothing; or fails."""

    def __init__(
        self, count: int, *, fps: float | None = None, failure: SourceError | None = None
    ) -> None:
        self.fps = fps
        self.length: int | None = count
        self.position_s: float | None = None
        self.closed = False
        self._left = count
        self._failure = failure

    def read(self) -> Image | None:
        if self._left:
            self._left -= 1
            return PICTURE
        if self._failure is not None:
            raise self._failure
        return None

    def close(self) -> None:
        self.closed = True


def opener(*results: CaptureFake | SourceError) -> Callable[[], CaptureFake]:
    """Each call gives, or raises, the next."""
    remaining = iter(results)

    def open_next() -> CaptureFake:
        result = next(remaining)
        if isinstance(result, SourceError):
            raise result
        return result

    return open_next


def live(*results: CaptureFake | SourceError, kind: SourceKind = SourceKind.ADDRESS) -> Camera:
    source = Source(kind, "rtsp://camera.example/1")
    return Camera(source, opener=opener(*results), pause_s=(0.001, 0.002))


AWAY = SourceUnreadableError("away")


def test_a_video_is_played_at_its_own_pace_with_its_own_times(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.avi", 6, fps=20)
    begun = time.monotonic()
    with Camera(Source.parse(str(clip))) as camera:
        frames = list(camera.frames())
    assert time.monotonic() - begun >= 5 / 20
    assert frames[-1].number == 5
    # From the second on: the first one waits for its reader.
    spans = {
        round((b.captured_at - a.captured_at) / (b.number - a.number) / timedelta(seconds=1), 4)
        for a, b in itertools.pairwise(frames[1:])
    }
    assert spans == {1 / 20}
    assert camera.state is CameraState.ENDED
    assert camera.finished


def test_a_clip_waits_until_its_reader_is_ready(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.avi", 10, fps=100)
    with Camera(Source.parse(str(clip))) as camera:
        frames = camera.frames()
        first = next(frames)
        time.sleep(0.3)  # as long as three clips: models are being compiled
        ready_at = datetime.now(UTC)
        rest = list(frames)
    assert len(rest) + camera.dropped == 9
    assert ready_at <= rest[0].captured_at <= datetime.now(UTC)
    assert first.captured_at < ready_at


def test_a_video_played_as_if_live_drops_what_comes_too_fast(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.avi", 30, fps=100)
    seen = []
    with Camera(Source.parse(str(clip))) as camera:
        for frame in camera.frames():
            seen.append(frame.number)
            time.sleep(0.05)
    assert seen[-1] == 29
    assert 0 < len(seen) < 30
    assert len(seen) + camera.dropped == 30


def test_every_frame_is_given_when_asked_for_and_none_lies_in_the_future(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.avi", 40, fps=5)
    with Camera(Source.parse(str(clip)), pace=Pace.EVERY_FRAME) as camera:
        frames = list(camera.frames())
    assert [f.number for f in frames] == list(range(40))
    assert frames[-1].captured_at - frames[0].captured_at == timedelta(seconds=39 / 5)
    assert frames[-1].captured_at <= datetime.now(UTC)
    assert camera.dropped == 0


def test_every_picture_of_a_folder_is_given_however_slow_the_taker(tmp_path: Path) -> None:
    for i in range(12):
        cv2.imwrite(str(tmp_path / f"{i}.png"), PICTURE)
    (tmp_path / "5.png").write_bytes(b"broken")
    source = Source.parse(str(tmp_path))
    seen = []
    with Camera(source, folder_fps=1000) as camera:
        for frame in camera.frames():
            seen.append(frame.number)
            time.sleep(0.005)
    assert seen == list(range(11))
    assert camera.dropped == 0


def test_a_video_without_frames_is_an_error_and_not_an_end() -> None:
    camera = Camera(Source(SourceKind.VIDEO, "clip.mp4"), opener=opener(CaptureFake(0)))
    with camera, pytest.raises(SourceEmptyError, match=r"clip\.mp4 holds no frame"):
        list(camera.frames())


def test_a_source_that_fails_in_the_middle_says_so_after_its_frames() -> None:
    broken = CaptureFake(2, failure=SourceUnreadableError("disk error"))
    camera = Camera(
        Source(SourceKind.VIDEO, "clip.mp4"), pace=Pace.EVERY_FRAME, opener=opener(broken)
    )
    frames: list[Frame] = []
    with camera, pytest.raises(SourceUnreadableError, match="disk error"):
        frames.extend(camera.frames())
    assert broken.closed


def test_an_unforeseen_error_is_not_swallowed() -> None:
    def fail() -> CaptureFake:
        raise ZeroDivisionError

    with (
        Camera(Source(SourceKind.VIDEO, "a"), opener=fail) as camera,
        pytest.raises(ZeroDivisionError),
    ):
        list(camera.frames())


def test_a_loop_begins_again_after_a_gap_that_parts_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.capture.camera.LOOP_PAUSE_S", 0.05)
    captures = [CaptureFake(3, fps=100) for _ in range(3)]
    camera = Camera(
        Source(SourceKind.PICTURES, "folder"),
        loop=True,
        pace=Pace.EVERY_FRAME,
        opener=opener(*captures),
    )
    with camera:
        frames = list(itertools.islice(camera.frames(), 9))
    assert frames[3].captured_at - frames[2].captured_at >= timedelta(seconds=0.05)
    assert all(a.captured_at < b.captured_at for a, b in itertools.pairwise(frames))


def test_a_live_camera_that_vanishes_and_returns_is_read_on() -> None:
    endless = CaptureFake(10**9)
    first = CaptureFake(3)
    dying = CaptureFake(2, failure=SourceUnreadableError("cable"))
    with live(first, AWAY, AWAY, dying, CaptureFake(0), endless) as camera:
        for frame in camera.frames():
            if frame.number > 50:
                break
        assert camera.state == "live"
    assert first.closed
    assert dying.closed
    assert endless.closed
    assert camera.state == "ended"


def test_while_a_live_camera_is_away_it_says_so() -> None:
    reached = threading.Event()
    release = threading.Event()

    def away() -> CaptureFake:
        reached.set()
        release.wait(20)
        raise AWAY

    camera = Camera(
        Source(SourceKind.ADDRESS, "rtsp://camera.example/1"), opener=away, pause_s=(0.001, 0.002)
    )
    with camera:
        assert reached.wait(20)
        assert camera.state is CameraState.RECONNECTING
        camera.stop()
        release.set()
        assert list(camera.frames()) == []


def test_a_camera_that_stays_away_is_told_of_less_and_less_often() -> None:
    endless = CaptureFake(10**9)
    with capture_logs() as said, live(*[AWAY] * 40, endless) as camera:
        next(camera.frames())
    attempts = [line["attempt"] for line in said if line["event"] == "camera_away"]
    assert attempts == [1, 2, 4, 8, 16, 32]


def test_the_newest_frame_of_a_live_camera_wins() -> None:
    with live(CaptureFake(10**9)) as camera:
        numbers = []
        for frame in camera.frames():
            numbers.append(frame.number)
            time.sleep(0.01)
            if len(numbers) >= 4 and camera.dropped:
                break
    assert numbers == sorted(set(numbers))
    assert numbers[-1] >= len(numbers)


@pytest.mark.parametrize("result", [AWAY, CaptureFake(0)])
def test_a_camera_on_this_machine_that_cannot_be_opened_at_the_start_is_an_error(
    result: CaptureFake | SourceError,
) -> None:
    with live(result, kind=SourceKind.DEVICE) as camera, pytest.raises(SourceUnreadableError):
        list(camera.frames())


def test_stopping_lets_a_waiting_reader_go() -> None:
    never = CaptureFake(1, fps=0.001)
    with live(never, *[AWAY] * 10_000) as camera:
        frames = camera.frames()
        next(frames)
        threading.Timer(0.05, camera.stop).start()
        assert list(frames) == []
        assert camera.stopped


def test_a_network_camera_that_restarts_is_found_again() -> None:
    jpeg = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    with network_camera([jpeg], 100, frames=30) as address:
        camera = Camera(Source.parse(f"http://{address}"), pause_s=(0.01, 0.05))
        with camera:
            frames = camera.frames()
            first = next(frames)
            assert first.size == (240, 320)
            # The answer ends after 30 pictures, and the camera asks again.
            last = next(f for f in frames if f.number > 40)
            assert last.captured_at > first.captured_at


class VariableRate(CaptureFake):
    """A clip of a phone: its pictures come at these seconds."""

    def __init__(self, positions: list[float]) -> None:
        super().__init__(len(positions), fps=10)
        self._positions = iter(positions)

    def read(self) -> Image | None:
        self.position_s = next(self._positions, None)
        return super().read()


def test_the_pictures_of_a_variable_frame_rate_have_the_containers_times() -> None:
    positions = [0.0, 0.033, 0.066, 0.9, 1.4, 1.4, 2.0]
    camera = Camera(
        Source(SourceKind.VIDEO, "phone.mp4"),
        pace=Pace.EVERY_FRAME,
        opener=lambda: VariableRate(positions),
    )
    with camera:
        frames = list(camera.frames())
    # Two pictures of the same time are told apart by the mean rate.
    expected = [0.0, 0.033, 0.066, 0.9, 1.4, 1.5, 2.0]
    assert [f.time_s - frames[0].time_s for f in frames] == pytest.approx(expected)
    spans = [(f.captured_at - frames[0].captured_at).total_seconds() for f in frames]
    assert spans == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("degrees", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))]
)
def test_the_pictures_of_a_sideways_camera_are_turned_clockwise(
    tmp_path: Path, degrees: int, corner: tuple[int, int]
) -> None:
    marked = standins.picture(None)
    marked[0, 0] = 255
    cv2.imwrite(str(tmp_path / "1.png"), marked)
    with Camera(Source.parse(str(tmp_path)), rotate=degrees) as camera:
        (frame,) = camera.frames()
    assert frame.image[corner].tolist() == [255, 255, 255]
    assert frame.size == ((240, 320) if degrees in {0, 180} else (320, 240))
