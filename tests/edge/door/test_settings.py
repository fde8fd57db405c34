"""A door starts only with settings that are whole, and names what is missing."""

from pathlib import Path

import pytest

from edge.door import settings
from edge.errors import SettingsError
from tests.edge.door.signed import PUBLIC_KEY


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_DOOR_KEY", "a-scanners-key")


def test_a_door_is_closed_without_the_cloud_unless_it_is_told_otherwise() -> None:
    assert settings.load().offline is settings.OfflinePolicy.CLOSED
    assert settings.load().without_hub is settings.HubPolicy.CLOSED


def test_lists_have_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_DOOR_READERS", "camera, lines,serial:/dev/ttyUSB0")
    monkeypatch.setenv("EDGE_DOOR_PUBLIC_KEYS", f"{PUBLIC_KEY}, {PUBLIC_KEY}")
    loaded = settings.load()
    assert loaded.readers == ("camera", "lines", "serial:/dev/ttyUSB0")
    assert loaded.public_keys == (PUBLIC_KEY, PUBLIC_KEY)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"EDGE_DOOR_KEY": ""}, "EDGE_DOOR_KEY"),
        ({"EDGE_DOOR_READERS": "nose"}, "EDGE_DOOR_READERS"),
        ({"EDGE_DOOR_PUBLIC_KEYS": "short"}, "EDGE_DOOR_PUBLIC_KEYS"),
        ({"EDGE_DOOR_OFFLINE": "signed"}, "EDGE_DOOR_PUBLIC_KEYS"),
        ({"EDGE_DOOR_OFFLINE": "open"}, "EDGE_DOOR_OFFLINE"),
        ({"EDGE_DOOR_HUB": "http://hub.example.org"}, "EDGE_DOOR_HUB_KEY"),
        ({"EDGE_DOOR_GATE": "Main Gate"}, "EDGE_DOOR_GATE"),
    ],
)
def test_what_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], named: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=named):
        settings.load()


def test_a_hub_needs_a_long_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_DOOR_HUB_KEY", "short")
    with pytest.raises(SettingsError, match="EDGE_DOOR_HUB_KEY"):
        settings.load_hub()


def test_the_page_lists_every_setting() -> None:
    page = (Path(__file__).parents[3] / "docs" / "door.md").read_text()
    for name, field in settings.DoorSettings.model_fields.items():
        assert f"| `EDGE_DOOR_{name.upper()}` |" in page
        assert str(field.description) in page
