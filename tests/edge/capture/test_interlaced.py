"""Interlaced video is read, by whichever decoder can."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags
from av.filter import Graph
from structlog.testing import capture_logs

from edge.capture.camera import Camera
from edge.capture.interlaced import DeinterlacedVideo, InterlaceFallback
from edge.capture.sources import Source
from edge.errors import SourceUnreadableError
from edge.settings import Pace
from edge.values import Image

FRAMES = 12
FPS = 25


def scene(number: int) -> Image:
    """Return a noisy scene in which a bright bar moves to the right."""
    image = np.random.default_rng(7).integers(60, 90, (96, 128, 3), dtype=np.uint8)
    image[:, 8 * number : 8 * number + 8] = 230
    return image


def bar(image: Image) -> float:
    """Return the middle of the bar."""
    return float(np.argwhere(image.mean(axis=(0, 2)) > 180).mean())


def interlaced_clip(path: Path, codec: str = "mpeg2video", *, interlaced: bool = True) -> Path:
    """Write a clip whose frames are marked as interlaced, top field first."""
    graph = Graph()
    source = graph.add_buffer(
        width=128, height=96, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, FPS)
    )
    mode = graph.add("setfield", "tff" if interlaced else "prog")
    graph.link_nodes(source, mode, graph.add("buffersink")).configure()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.bit_rate = 4_000_000
        if interlaced:
            stream.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(scene(number), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            graph.vpush(frame.reformat(format="yuv420p"))
            container.mux(stream.encode(graph.vpull()))
        container.mux(stream.encode(None))
    return path


def pictures_of(path: Path) -> Iterator[tuple[Image, float | None]]:
    capture = Source.parse(str(path)).open()
    try:
        while (image := capture.read()) is not None:
            yield image, capture.position_s
    finally:
        capture.close()


@pytest.mark.parametrize(
    ("name", "codec"), [("broadcast.mpg", "mpeg2video"), ("recorder.mp4", "libx264")]
)
def test_every_frame_of_an_interlaced_video_is_read_at_its_time(
    tmp_path: Path, name: str, codec: str
) -> None:
    clip = interlaced_clip(tmp_path / name, codec)
    with capture_logs() as logs:
        read = list(pictures_of(clip))
    assert [bar(image) for image, _ in read] == pytest.approx(
        [8 * number + 3.5 for number in range(FRAMES)], abs=1.5
    )
    assert [at or 0.0 for _, at in read] == pytest.approx(
        [number / FPS for number in range(FRAMES)], abs=1e-3
    )
    changes = [line for line in logs if line["event"] == "decoder_changed"]
    # OpenCV before 4.13 reads it alone.
    assert len(changes) <= 1


def test_the_camera_turns_an_interlaced_video_too(tmp_path: Path) -> None:
    clip = interlaced_clip(tmp_path / "side.mpg")
    with Camera(Source.parse(str(clip)), pace=Pace.EVERY_FRAME, rotate=90) as camera:
        shapes = {frame.image.shape for frame in camera.frames()}
    assert shapes == {(128, 96, 3)}


class Repeating:
    """Stands for a decoder that gives out wrong pictures from some frame on."""

    fps, length = 25.0, FRAMES

    def __init__(self, good: int, *, black: bool) -> None:
        self._good = good
        self._black = black
        self._read = 0
        self.position_s: float | None = None
        self.closed = False

    def read(self) -> Image | None:
        if self._read == FRAMES:
            return None
        self.position_s = self._read / FPS
        self._read += 1
        if self._read <= self._good:
            return scene(self._read - 1)
        return np.zeros((96, 128, 3), np.uint8) if self._black else scene(self._good - 1)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("black", [True, False])
def test_a_video_that_becomes_interlaced_is_read_on_from_there(tmp_path: Path, black: bool) -> None:
    clip = interlaced_clip(tmp_path / "mixed.mp4", "libx264")
    first = Repeating(good=4, black=black)
    capture = InterlaceFallback(
        first,
        lambda after_s: DeinterlacedVideo(str(clip), "mixed", live=False, after_s=after_s),
        "mixed",
    )
    bars = []
    with capture_logs() as logs:
        while (image := capture.read()) is not None:
            bars.append(bar(image))
    capture.close()
    assert [line["decoder"] for line in logs if line["event"] == "decoder_changed"] == ["PyAV"]
    assert first.closed
    assert len(bars) == FRAMES
    assert bars[-3:] == pytest.approx([75.5, 83.5, 91.5], abs=1.5)


def test_a_progressive_video_that_stands_still_keeps_its_decoder(tmp_path: Path) -> None:
    clip = interlaced_clip(tmp_path / "still.mp4", "libx264", interlaced=False)
    first = Repeating(good=0, black=True)
    opened: list[float | None] = []

    def reopen(after_s: float | None) -> DeinterlacedVideo:
        opened.append(after_s)
        return DeinterlacedVideo(str(clip), "still", live=False, after_s=after_s)

    capture = InterlaceFallback(first, reopen, "still")
    with capture_logs() as logs:
        while capture.read() is not None:
            pass
    assert logs == []
    assert len(opened) == 3, "a camera that shows nothing is not asked for ever"
    assert not first.closed


def test_without_pyav_the_first_decoder_goes_on_and_the_log_says_what_to_install() -> None:
    def reopen(_after_s: float | None) -> DeinterlacedVideo:
        raise ImportError("av")

    with capture_logs() as logs:
        assert InterlaceFallback(Repeating(0, black=True), reopen, "a").read() is not None
    assert [(line["event"], line["mend"]) for line in logs] == [
        ("decoder_missing", "Install the package `av`")
    ]


def test_an_error_of_pyav_holds_no_password(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadableError, match="Connection refused") as caught:
        DeinterlacedVideo("rtsp://u:Zq7wert@127.0.0.1:9/1", "rtsp://…@127.0.0.1:9/1", live=True)
    assert "Zq7wert" not in str(caught.value)
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    with pytest.raises(SourceUnreadableError, match="Invalid data"):
        DeinterlacedVideo(str(text), "a.mp4", live=False)


def test_opencv_still_needs_the_fallback(tmp_path: Path) -> None:
    """If this fails, OpenCV reads interlaced video again, and `interlaced.py` may go."""
    major_minor = tuple(int(part) for part in cv2.__version__.split(".")[:2])
    if major_minor < (4, 13):
        pytest.skip("before OpenCV 4.13")
    capture = cv2.VideoCapture(str(interlaced_clip(tmp_path / "i.mp4", "libx264")), cv2.CAP_FFMPEG)
    taken, image = capture.read()
    capture.release()
    assert taken
    assert not np.allclose(image, scene(0), atol=60)
