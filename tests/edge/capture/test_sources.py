import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage
from structlog.testing import capture_logs

from edge.capture.sources import PictureFiles, Source, SourceKind, picture_files, read_picture
from edge.errors import SourceEmptyError, SourceMissingError, SourceUnreadableError
from tests.edge import standins


def video(path: Path, frames: int, fps: float = 10) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (320, 240))
    assert writer.isOpened()
    for _ in range(frames):
        writer.write(standins.picture(standins.RED))
    writer.release()
    return path


def test_sources_are_told_apart(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.avi", 1)
    picture = tmp_path / "a.JPG"
    picture.write_bytes(b"")
    assert Source.parse(str(clip)).kind is SourceKind.VIDEO
    assert Source.parse(str(tmp_path)).kind is SourceKind.PICTURES
    assert Source.parse(str(picture)).kind is SourceKind.PICTURES
    assert Source.parse("rtsp://camera.example/1").kind is SourceKind.ADDRESS
    assert Source.parse("HTTP://camera.example/video").kind is SourceKind.ADDRESS
    assert Source.parse("/dev/null").kind is SourceKind.DEVICE


@pytest.mark.parametrize("text", ["/nowhere/clip.mp4", "97", "/dev/video97", "no such folder/"])
def test_a_missing_source_is_named(text: str) -> None:
    with pytest.raises(SourceMissingError) as caught:
        Source.parse(text)
    assert text.rstrip("/") in caught.value.problem
    assert "EDGE_SOURCE" in caught.value.mend


def test_an_address_of_an_unknown_kind_is_refused_without_its_password() -> None:
    with pytest.raises(SourceUnreadableError) as caught:
        Source.parse("ftp://user:secret@camera.example/1")
    assert "secret" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    source = Source.parse("rtsp://user:secret@camera.example:554/1?a=b")
    assert "secret" not in f"{source} {source!r}"
    assert "camera.example:554/1?a=b" in str(source)


def test_a_video_is_read_to_its_end(tmp_path: Path) -> None:
    capture = Source.parse(str(video(tmp_path / "clip.avi", 3, fps=12))).open()
    assert (capture.fps, capture.length) == (12, 3)
    shapes = []
    while (image := capture.read()) is not None:
        shapes.append(image.shape)
    capture.close()
    assert shapes == [(240, 320, 3)] * 3


def test_an_empty_file_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    with pytest.raises(SourceEmptyError, match=r"clip\.mp4 is empty"):
        Source.parse(str(path)).open()


def test_something_else_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"this is not a video" * 100)
    with pytest.raises(SourceUnreadableError, match=r"clip\.mp4 cannot be opened"):
        Source.parse(str(path)).open()


def test_a_device_that_is_no_camera_cannot_be_opened() -> None:
    with pytest.raises(SourceUnreadableError, match="camera /dev/null cannot be opened"):
        Source.parse("/dev/null").open()


def test_pictures_come_in_natural_order(tmp_path: Path) -> None:
    for name in ("f10.png", "f2.png", "F1.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in picture_files(tmp_path)] == ["F1.png", "f2.png", "f10.png"]


def test_a_folder_without_pictures_is_empty(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SourceEmptyError, match="holds no picture"):
        picture_files(tmp_path)


def test_an_unreadable_picture_is_passed_over_and_remembered(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"not a picture")
    cv2.imwrite(str(tmp_path / "2.png"), standins.picture(None))
    capture = PictureFiles(picture_files(tmp_path))
    assert capture.read() is not None
    assert capture.read() is None
    assert ["1.png" in str(error) for error in capture.unreadable] == [True]


def test_a_folder_of_unreadable_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"not a picture")
    with pytest.raises(SourceUnreadableError, match=r"1\.png"):
        PictureFiles(picture_files(tmp_path)).read()


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 cut"])
def test_a_damaged_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(SourceUnreadableError, match=r"a\.png"):
        read_picture(path)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "I;16"])
def test_every_kind_of_picture_becomes_three_channels_of_bytes(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    PillowImage.new(mode, (30, 20)).save(path)
    image = read_picture(path)
    assert image.shape == (20, 30, 3)
    assert image.dtype == np.uint8


def test_the_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to display (EXIF 2.3, tag Orientation)
    buffer = io.BytesIO()
    PillowImage.new("RGB", (40, 20)).save(buffer, "JPEG", exif=exif)
    path = tmp_path / "a.jpg"
    path.write_bytes(buffer.getvalue())
    assert read_picture(path).shape == (40, 20, 3)


@pytest.mark.parametrize("suffix", [".avif", ".gif", ".jp2"])
def test_a_folder_reads_the_later_formats_too(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"1{suffix}"
    PillowImage.fromarray(standins.picture(standins.RED)).save(path)
    assert picture_files(tmp_path) == [path]
    assert read_picture(path).shape == (240, 320, 3)


def test_pictures_that_are_not_read_are_counted_and_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), standins.picture(None))
    for name in ("2.heic", "3.HEIC", "4.jxl", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    with capture_logs() as logged:
        assert len(picture_files(tmp_path)) == 1
    (line,) = logged
    assert (line["event"], line["count"], line["kinds"]) == (
        "pictures_not_read",
        3,
        [".heic", ".jxl"],
    )
