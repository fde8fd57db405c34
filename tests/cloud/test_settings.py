import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from cloud.settings import Settings, load

PAGE = Path(__file__).parents[2] / "docs" / "settings" / "cloud.md"


def test_the_defaults_are_usable_and_reach_this_machine_only() -> None:
    settings = Settings()
    assert settings.host == "127.0.0.1"
    assert settings.pass_lifetime_s == 300
    assert settings.telegram_token is None
    assert settings.smtp_host is None


def test_variables_are_read_with_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_PASS_LIFETIME_S", "60")
    monkeypatch.setenv("CLOUD_PUBLIC_URL", "https://gate.example.org/")
    settings = Settings()
    assert settings.pass_lifetime_s == 60
    assert settings.public_url == "https://gate.example.org"


@pytest.mark.parametrize(
    "variable", ["CLOUD_TELEGRAM_TOKEN", "CLOUD_SMTP_HOST", "CLOUD_PUBLIC_URL", "CLOUD_QUEUE_URL"]
)
def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "")
    assert getattr(Settings(), variable.removeprefix("CLOUD_").lower()) is None


def test_a_queue_on_the_same_instance_is_fine() -> None:
    url = SecretStr("redis://127.0.0.1:6379/0")
    assert Settings(redis_url=url, queue_url=url).queue_url == url


@pytest.mark.parametrize("address", ["gate.example.org", "ftp://gate.example.org", "https://"])
def test_a_public_address_must_be_whole(address: str) -> None:
    with pytest.raises(ValidationError, match="http:// or https://"):
        Settings(public_url=address)


@pytest.mark.parametrize("address", ["", "127.0.0.1:6379", "http://127.0.0.1"])
def test_the_store_must_be_an_address_of_redis(address: str) -> None:
    with pytest.raises(ValidationError, match="redis://"):
        Settings(redis_url=SecretStr(address))
    if address:
        with pytest.raises(ValidationError, match="redis://"):
            Settings(queue_url=SecretStr(address))


def test_secrets_are_in_no_repr_and_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_TELEGRAM_TOKEN", "123:hush")
    monkeypatch.setenv("CLOUD_SMTP_PASSWORD", "hush")
    monkeypatch.setenv("CLOUD_REDIS_URL", "redis://:hush@127.0.0.1/0")
    assert "hush" not in repr(Settings())
    monkeypatch.setenv("CLOUD_PORT", "hush")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "hush" not in str(refused.value)


def test_a_setting_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cloud_redis_url").write_text("redis://:filed@redis:6379/0\n")
    monkeypatch.setenv("CLOUD_SECRETS_DIR", str(tmp_path))
    assert load().redis_url.get_secret_value() == "redis://:filed@redis:6379/0"
    monkeypatch.setenv("CLOUD_REDIS_URL", "redis://:said@redis:6379/0")
    assert load().redis_url.get_secret_value() == "redis://:said@redis:6379/0"


def test_secrets_may_lie_as_kubernetes_mounts_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "..2026_01_02"
    kept.mkdir()
    (kept / "CLOUD_TELEGRAM_TOKEN").write_text("123:filed")
    (tmp_path / "..data").symlink_to(kept.name)
    (tmp_path / "CLOUD_TELEGRAM_TOKEN").symlink_to("..data/CLOUD_TELEGRAM_TOKEN")
    monkeypatch.setenv("CLOUD_SECRETS_DIR", str(tmp_path))
    token = load().telegram_token
    assert token is not None
    assert token.get_secret_value() == "123:filed"


def test_a_folder_of_secrets_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLOUD_SECRETS_DIR", str(tmp_path / "gone"))
    with pytest.raises(ValidationError, match="secrets_dir"):
        load()
    monkeypatch.setenv("CLOUD_SECRETS_DIR", "")
    assert load().secrets_dir is None


def test_the_page_names_every_variable_with_its_default() -> None:
    rows = re.findall(r"^\| `(CLOUD_[A-Z_0-9]+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    fields = Settings.model_fields
    assert sorted(rows) == sorted(f"CLOUD_{name.upper()}" for name in fields)
    assert all(field.description for field in fields.values())


def test_a_proxy_that_cannot_be_read_is_refused_where_telegram_is_reached_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush#whisper@proxy:3128")
    assert Settings().telegram_token is None
    with pytest.raises(ValidationError, match="HTTPS_PROXY") as caught:
        Settings(telegram_token=SecretStr("123:abc"))
    assert "hush" not in str(caught.value)
    assert "whisper" not in str(caught.value)


@pytest.mark.parametrize(
    "variable",
    ["CLOUD_REDIS_URL", "CLOUD_QUEUE_URL", "CLOUD_CORS_ORIGINS", "CLOUD_TRUSTED_PROXIES"],
)
def test_a_refused_address_is_not_quoted_with_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "https://me:hush@whisper@example.org/x")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "hush" not in str(caught.value)
    assert "whisper" not in str(caught.value)


def test_a_password_of_redis_with_reserved_characters_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLOUD_REDIS_URL", "redis://:p#/?@cache:6379/0")
    assert Settings().redis_url.get_secret_value() == "redis://:p%23%2F%3F@cache:6379/0"
