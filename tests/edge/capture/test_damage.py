"""Damaged stretches and changes of a stream end no source."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from edge.capture.camera import Camera
from edge.capture.interlaced import DeinterlacedVideo
from edge.capture.sources import Source
from edge.settings import Pace
from edge.values import Frame, Image
from tests.doubles.network_camera import network_camera
from tests.edge import standins

FPS = 25
FRAMES = 60


def scene(number: int, size: tuple[int, int] = (120, 160)) -> Image:
    """Return a noisy scene, so that a frame takes some hundred bytes, with a square that moves."""
    image = np.random.default_rng(number).integers(0, 60, (120, 160, 3), dtype=np.uint8)
    left = 20 + number % 20
    image[30:70, left : left + 40] = standins.GREEN
    return np.asarray(cv2.resize(image, size[::-1]), dtype=np.uint8)


def clip(path: Path, codec: str = "libx264", size: tuple[int, int] = (120, 160)) -> Path:
    """Write a clip with a key frame in every tenth place."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        stream.codec_context.gop_size = 10
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(scene(number, size), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def damaged(path: Path) -> Path:
    """Write noise over the frames 20 to 29 of a clip."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.pos is not None and p.size]
        begin, end = packets[20].pos, packets[30].pos
    assert begin is not None
    assert end is not None
    data = bytearray(path.read_bytes())
    data[begin:end] = np.random.default_rng(1).bytes(end - begin)
    path.write_bytes(data)
    return path


def frames_of(source: Path) -> list[Frame]:
    with Camera(Source.parse(str(source)), pace=Pace.EVERY_FRAME) as camera:
        return list(camera.frames())


def shows_square(image: Image) -> bool:
    return bool((image[..., 1] > 150).mean() > 0.04)


def test_a_damaged_stretch_of_a_video_is_skipped_and_told_once(tmp_path: Path) -> None:
    video = damaged(clip(tmp_path / "recorder.mp4"))
    with capture_logs() as logs:
        frames = frames_of(video)
    assert FRAMES - 15 <= len(frames) < FRAMES
    assert all(shows_square(frame.image) for frame in frames)
    times = [frame.time_s - frames[0].time_s for frame in frames]
    assert times[-1] == pytest.approx((FRAMES - 1) / FPS, abs=0.01), "the times of the rest hold"
    assert [line["event"] for line in logs].count("stream_damaged") == 1


def test_pyav_skips_a_damaged_stretch_too(tmp_path: Path) -> None:
    path = damaged(clip(tmp_path / "recorder.mp4"))
    video = DeinterlacedVideo(str(path), "recorder.mp4", live=False)
    read = 0
    with capture_logs() as logs:
        while video.read() is not None:
            read += 1
    video.close()
    assert FRAMES - 15 <= read < FRAMES
    assert [(line["event"], line["source"]) for line in logs] == [
        ("stream_damaged", "recorder.mp4")
    ]


def test_a_video_whose_codec_changes_for_a_while_is_read_behind_that(tmp_path: Path) -> None:
    one = clip(tmp_path / "one.ts").read_bytes()
    other = clip(tmp_path / "other.ts", "mpeg2video").read_bytes()
    mixed = tmp_path / "mixed.ts"
    mixed.write_bytes(one + other + one)
    with capture_logs() as logs:
        frames = frames_of(mixed)
    assert len(frames) > 1.8 * FRAMES
    assert [line["event"] for line in logs].count("stream_damaged") == 1


def test_a_stream_whose_size_changes_is_read_on_at_its_first_size(tmp_path: Path) -> None:
    small = clip(tmp_path / "small.ts").read_bytes()
    large = clip(tmp_path / "large.ts", size=(240, 320)).read_bytes()
    mixed = tmp_path / "mixed.ts"
    mixed.write_bytes(small + large + small)
    frames = frames_of(mixed)
    assert len(frames) == 3 * FRAMES
    assert {frame.size for frame in frames} == {(120, 160)}
    assert all(shows_square(frame.image) for frame in frames)


def jpeg(image: Image, suffix: str = ".jpg") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


WHOLE = [jpeg(scene(number)) for number in range(10)]


@pytest.mark.parametrize(
    ("wrong", "is_noticed"),
    [
        ([WHOLE[3][: len(WHOLE[3]) // 2]], False),  # FFmpeg shows the half that is there
        ([WHOLE[3][:200] + bytes(byte ^ 0x5A for byte in WHOLE[3][200:])], True),
        ([b"<html>503</html>", b"", b"\0" * 500], True),
        ([jpeg(scene(1), ".png")] * 10, True),
        ([jpeg(scene(number, (240, 320))) for number in range(10)], False),
    ],
    ids=["truncated", "corrupted", "no picture", "another codec", "another size"],
)
def test_wrong_pictures_of_a_network_camera_do_not_end_its_stream(
    wrong: list[bytes], is_noticed: bool
) -> None:
    with network_camera([*WHOLE, *wrong], 100) as address, capture_logs() as logs:
        camera = Camera(Source.parse(f"http://{address}"), pause_s=(0.01, 0.05))
        with camera:
            for frame in camera.frames():
                if frame.number > 30:
                    break
    told = [line["event"] for line in logs]
    assert told.count("stream_damaged") == int(is_noticed)
    assert "camera_vanished" not in told


def test_a_network_camera_that_changes_its_codec_for_good_is_opened_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.capture.damage.LONGEST_DAMAGE_S", 0.1)
    changed = [jpeg(scene(number), ".png") for number in range(10)]
    pictures = [*WHOLE, *changed * 8]
    with network_camera(pictures, 100) as address, capture_logs() as logs:
        camera = Camera(Source.parse(f"http://{address}"), pause_s=(0.01, 0.05))
        with camera:
            for frame in camera.frames():
                if frame.number > 15:
                    break
    told = [line["event"] for line in logs]
    assert told[:2] == ["camera_vanished", "camera_returned"]
