"""Settings: the page names a wrong one, and the docs have each of them."""

import re
from pathlib import Path

import pytest

from dashboard.errors import SettingsInvalid
from dashboard.settings import PREFIX, Settings, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings" / "dashboard.md"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_a_key_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_API_KEY", " mg_key\n")
    settings = load_settings()
    assert settings.api_key.get_secret_value() == "mg_key"
    assert str(settings.api_url) == "http://127.0.0.1:8000/"


def test_no_key_names_the_variable_and_how_to_get_one() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    assert "DASHBOARD_API_KEY: it is not set" in caught.value.what
    assert "python -m cloud keys create" in caught.value.mend


@pytest.mark.parametrize("key", ["", "  ", "two words", "schlüssel", "a\tb"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("DASHBOARD_API_KEY", key)
    with pytest.raises(SettingsInvalid, match="DASHBOARD_API_KEY") as caught:
        load_settings()
    assert not key.strip() or key not in str(caught.value)


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_API_KEY", "mg_key")
    monkeypatch.setenv("DASHBOARD_API_URL", "cloud:8000")
    monkeypatch.setenv("DASHBOARD_REFRESH_S", "0")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    assert "DASHBOARD_API_URL" in caught.value.what
    assert "DASHBOARD_REFRESH_S" in caught.value.what


def test_the_key_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_API_KEY", "mg_very_secret")
    assert "mg_very_secret" not in repr(load_settings())


def test_a_setting_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dashboard_api_key").write_text("mg_filed\n")
    monkeypatch.setenv("DASHBOARD_SECRETS_DIR", str(tmp_path))
    assert load_settings().api_key.get_secret_value() == "mg_filed"
    monkeypatch.setenv("DASHBOARD_API_KEY", "mg_said")
    assert load_settings().api_key.get_secret_value() == "mg_said"
    monkeypatch.setenv("DASHBOARD_SECRETS_DIR", str(tmp_path / "gone"))
    with pytest.raises(SettingsInvalid, match="DASHBOARD_SECRETS_DIR"):
        load_settings()


def test_the_page_of_settings_names_each_with_its_default() -> None:
    documented = dict(
        re.findall(r"^\| `(DASHBOARD_\w+)` \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
    )
    expected = {
        PREFIX + name.upper(): "none: it must be set"
        if field.is_required()
        else "unset"
        if field.default is None
        else f"`{_plain(field.default)}`"
        for name, field in Settings.model_fields.items()
    }
    assert {name: default.strip() for name, default in documented.items()} == expected


def _plain(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default).rstrip("/")


def test_an_address_with_a_password_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DASHBOARD_API_KEY", "mg_key")
    for address in ("https://me:hush@cloud", "https://me:hu#sh@cloud", "https://hush@cloud"):
        monkeypatch.setenv("DASHBOARD_API_URL", address)
        with pytest.raises(SettingsInvalid, match="DASHBOARD_API_URL") as caught:
            load_settings()
        assert "hu" not in caught.value.what
