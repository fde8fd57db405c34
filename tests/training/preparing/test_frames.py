from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.clips import clip, write_video
from training.addresses import for_ffmpeg, without_password
from training.errors import SourceError
from training.preparing.frames import Source


def test_a_video_gives_frames_with_their_time_and_leaves_out_what_comes_too_soon(
    tmp_path: Path,
) -> None:
    path = write_video(tmp_path / "clip.avi", clip()[:24])
    with Source(str(path)) as source:
        every = list(source)
    with Source(str(path), every=0.5) as source:
        some = list(source)
        assert not source.live
        assert source.flowing
    assert [f.seconds for f in every] == pytest.approx([n / 12 for n in range(24)])
    assert [f.position for f in some] == ["0.00s", "0.50s", "1.00s", "1.50s"]
    assert every[0].picture.shape == (480, 640, 3)


def test_a_folder_gives_its_pictures_in_natural_order_and_remembers_what_is_none(
    tmp_path: Path,
) -> None:
    for name in ("a10.png", "a2.png", "inside/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"no")
    source = Source(str(tmp_path))
    assert [f.position for f in source] == ["a2.png", "a10.png", "inside/b.png"]
    assert [p.name for p in source.unreadable] == ["broken.jpg"]
    assert not source.flowing


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere.mp4", "does not exist"),
        ("99", "connect the camera"),
        ("ftp://camera/1", "rtsp://"),
        ("empty", "holds no picture"),
        ("torn.mp4", "cannot be opened"),
        ("broken", "none of its 1 files can be read as a picture"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.png").write_bytes(b"no")
    (tmp_path / "torn.mp4").write_bytes(b"no video at all")
    with pytest.raises(SourceError, match=said):
        list(Source(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rtsp://admin:S3cr#t$x@10.0.0.5:554/1", "rtsp://10.0.0.5:554/1"),
        ("RTSP://admin:a/b?c@d@[::1]/1?channel=2&password=x", "rtsp://[::1]/1?channel=2"),
        ("rtsp://camera/live/user=a&password=b?channel=1", "rtsp://camera/live?channel=1"),
        ("http://camera/v?password=a@b", "http://…"),
        ("rtsp://admin:S3cret", "rtsp://…"),
        ("admin:S3cret@camera/1", "camera/1"),
        ("/pictures/12:30@door", "/pictures/12:30@door"),
        ("0", "0"),
    ],
)
def test_a_source_is_named_without_its_secrets(text: str, name: str) -> None:
    assert without_password(text) == name
    assert without_password(name) == name


def test_a_login_is_encoded_for_ffmpeg_where_it_is_clear() -> None:
    assert for_ffmpeg("RTSP://admin:S3cr#t$x@h/1") == "rtsp://admin:S3cr%23t%24x@h/1"
    assert for_ffmpeg("rtsp://admin:a%23b@h/1") == "rtsp://admin:a%23b@h/1"
    assert for_ffmpeg("rtsp://10.0.0.5:554/live@main") == "rtsp://10.0.0.5:554/live@main"
    assert for_ffmpeg("rtsp://camera/1") == "rtsp://camera/1"


def test_a_password_is_told_to_nobody() -> None:
    assert without_password("rtsp://user:secret@camera/1") == "rtsp://camera/1"
    with pytest.raises(SourceError) as error:
        Source("rtsps2://user:secret@camera/1")
    assert "secret" not in str(error.value)
