"""The settings of the dashboard: the variable of each is DASHBOARD_ and the field's name."""

import os
from pathlib import Path

from pydantic import AnyHttpUrl, DirectoryPath, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dashboard.errors import SettingsInvalid

PREFIX = "DASHBOARD_"


class Settings(BaseSettings):
    """The address of the cloud, the key to it, and the behaviour of the page."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    secrets_dir: DirectoryPath | None = Field(
        default=None,
        description="Folder with settings in files. A file has the name of its variable in small "
        "letters, such as dashboard_api_key; a variable takes precedence over a file",
    )
    api_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:8000"),
        description="Address of the cloud's API, without /v1",
    )
    api_key: SecretStr = Field(
        description="A key of the role operator; where only screens at doors are served, a key of "
        "the role kiosk is enough"
    )
    api_timeout_s: float = Field(
        default=2.0, gt=0, le=30, description="Seconds that one call to the API may take"
    )
    refresh_s: float = Field(
        default=1.0, ge=0.5, le=60, description="Seconds between two readings of the banner"
    )
    verdict_shown_s: float = Field(
        default=30.0,
        ge=1,
        le=3600,
        description="Seconds that a refusal, or the end of a pass, stays on the banner",
    )
    gate_control: bool = Field(
        default=False,
        description="Whether everybody who sees the page may close and open its gate; the key's "
        "role must be operator",
    )
    door_language: str = Field(
        default="en",
        pattern="^[a-z]{2}$",
        description="Language of the pages at the doors: en or es. `?lang=` in an address and the "
        "choice on the page take precedence",
    )
    rows: int = Field(
        default=50, ge=5, le=100, description="Rows of a table before 'Show more' is pressed"
    )
    log_json: bool = Field(
        default=False,
        description="Write the log as one JSON object a line. The process reads this setting only "
        "from the environment, when `python -m dashboard` starts it",
    )

    @field_validator("api_url")
    @classmethod
    def _no_login(cls, url: AnyHttpUrl) -> AnyHttpUrl:
        if url.username or url.password:
            raise ValueError(
                "it has a user name or a password; leave them out, since the key is enough"
            )
        return url

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr) -> SecretStr:
        secret = key.get_secret_value().strip()
        if not secret:
            raise ValueError("it is empty")
        if not secret.isascii() or not secret.isprintable() or " " in secret:
            raise ValueError(
                "it has characters that no key has; check that it was copied in full and without "
                "quotation marks"
            )
        return SecretStr(secret)


def load_settings() -> Settings:
    """Return the settings: of variables, and of the files in DASHBOARD_SECRETS_DIR.

    Raises:
        SettingsInvalid: A value is not usable; the error names every variable that is wrong.
    """
    # The folder is a setting too. pydantic-settings only warns of a folder that is missing, so such
    # a folder is left to the field `secrets_dir`, which refuses it.
    folder = Path(os.environ.get(f"{PREFIX}SECRETS_DIR") or os.devnull)
    try:
        return Settings(_secrets_dir=folder if folder.is_dir() else None)
    except ValidationError as error:
        faults = [
            f"{PREFIX}{str(fault['loc'][0]).upper()}: {_reason(fault['type'], fault['msg'])}"
            for fault in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsInvalid(
            "; ".join(faults) + ".",
            "Set the variable for the dashboard's process and start it again. "
            "Make a key with: python -m cloud keys create Dashboard --role operator",
        ) from None
    except OSError as error:
        raise SettingsInvalid(
            f"{error.filename} cannot be read: {error.strerror}.",
            f"Check the owner and the mode of the files in {PREFIX}SECRETS_DIR.",
        ) from None


def _reason(kind: str, message: str) -> str:
    return "it is not set" if kind == "missing" else message.removeprefix("Value error, ")
