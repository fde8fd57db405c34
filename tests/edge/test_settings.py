import re
from pathlib import Path

import pytest

from edge import settings
from edge.errors import SettingsError
from edge.region import Region
from edge.settings import Pace, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings" / "edge.md"


def test_the_environment_sets_and_the_command_line_overrides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGE_VOTES", "9")
    monkeypatch.setenv("EDGE_SOURCE", "clip.mp4")
    chosen = settings.load(source="0", loop=None, pace=Pace.EVERY_FRAME)
    assert (chosen.votes, chosen.source.get_secret_value(), chosen.loop) == (9, "0", False)
    assert chosen.pace is Pace.EVERY_FRAME


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_VOTES", "many")
    monkeypatch.setenv("EDGE_MAJORITY", "0.2")
    monkeypatch.setenv("EDGE_CLOUD_URL", "cloud.example")
    with pytest.raises(SettingsError) as caught:
        settings.load()
    for name in ("EDGE_VOTES", "EDGE_MAJORITY", "EDGE_CLOUD_URL"):
        assert name in caught.value.problem


def test_further_cameras_have_names_and_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "EDGE_CAMERAS", "side=1 yard='/clips/my yard.mp4' back=rtsp://a:S3cret@b/c=d"
    )
    chosen = settings.load()
    assert chosen.further_cameras == {
        "side": "1",
        "yard": "/clips/my yard.mp4",
        "back": "rtsp://a:S3cret@b/c=d",
    }
    assert "S3cret" not in f"{chosen!r} {chosen.secrets.redacted('rtsp://a:S3cret@b/c=d')}"
    monkeypatch.setenv("EDGE_CAMERAS", "")
    assert settings.load().further_cameras == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("side=1 rtsp://a:S3cret@b/", "word 2 is not of the form NAME=VALUE, such as side=1"),
        ("rtsp://a:S3cret@b/?x=1", "word 1 is not of the form"),
        ("side=", "word 1 is not of the form"),
        ("main=1", "main is the camera of EDGE_SOURCE"),
        ("side=1 side=rtsp://a:S3cret@b/", "the name side occurs twice"),
        ("Side_door=rtsp://a:S3cret@b/", "Side_door is no name of a camera"),
        ("side='rtsp://a:S3cret@b/", "a quote or a backslash is wrong"),
        (" ".join(f"c{n}={n}" for n in range(16)), "at most 16 cameras"),
    ],
)
def test_wrong_cameras_are_named_without_a_password(
    monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    monkeypatch.setenv("EDGE_CAMERAS", value)
    with pytest.raises(SettingsError, match="EDGE_CAMERAS") as caught:
        settings.load()
    assert words in caught.value.problem
    assert "S3cret" not in str(caught.value)


def test_a_region_belongs_to_a_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_REGION", "0.2,0,0.6,1")
    assert settings.load().regions == {"": Region(0.2, 0, 0.6, 1)}
    monkeypatch.setenv("EDGE_CAMERAS", "side=1")
    assert set(settings.load().regions) == {"main"}
    monkeypatch.setenv("EDGE_REGION", "side=0,0,0.5,1")
    assert settings.load().regions == {"side": Region(0, 0, 0.5, 1)}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.2,0,0.6", "'0.2,0,0.6' is no region: write x,y,width,height"),
        ("0.5,0,0.6,1", "not within the picture"),
        ("nan,0,0.6,1", "not within the picture"),
        ("0,0,0,1", "each side is at least 0.05"),
        ("yard=0,0,1,1", "there is no camera yard"),
    ],
)
def test_a_wrong_region_is_named(monkeypatch: pytest.MonkeyPatch, value: str, words: str) -> None:
    monkeypatch.setenv("EDGE_REGION", value)
    with pytest.raises(SettingsError, match="EDGE_REGION") as caught:
        settings.load()
    assert words in caught.value.problem


def test_an_empty_sound_command_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_SOUND_COMMAND", " ")
    with pytest.raises(SettingsError, match="EDGE_SOUND_COMMAND"):
        settings.load()


def test_a_source_with_a_password_is_a_file_and_a_variable_that_is_set_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("EDGE_SOURCE", "")
    (tmp_path / "edge_source").write_text("rtsp://admin:S3cr#t$x@10.0.0.7:554/1\r\n")
    assert _source().removeprefix("rtsp://admin:") == "S3cr#t$x@10.0.0.7:554/1"
    monkeypatch.setenv("EDGE_SOURCE", "clip.mp4")
    assert _source() == "clip.mp4"
    monkeypatch.delenv("EDGE_SOURCE")
    (tmp_path / "edge_source").write_text("\n")
    assert _source() == "0"


def _source() -> str:
    return settings.load().source.get_secret_value()


def test_the_address_of_the_enrolment_holds_until_another_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.load().cloud_address("https://a.example") == "https://a.example"
    assert settings.load().cloud_address() == "http://127.0.0.1:8000"
    monkeypatch.setenv("EDGE_CLOUD_URL", "https://b.example/")
    assert settings.load().cloud_address("https://a.example") == "https://b.example"


def test_every_setting_is_explained() -> None:
    names = {f"EDGE_{name.upper()}" for name in Settings.model_fields}
    assert all(field.description for field in Settings.model_fields.values())
    page = set(re.findall(r"^\| `(EDGE_[A-Z_]+)`", PAGE.read_text(), re.MULTILINE))
    assert page == names


def test_a_camera_may_be_turned_by_quarters_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_ROTATE", "90")
    assert settings.load().rotate == 90
    monkeypatch.setenv("EDGE_ROTATE", "45")
    with pytest.raises(SettingsError, match="EDGE_ROTATE"):
        settings.load()
