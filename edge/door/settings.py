"""The settings of a door: environment variables that begin with `EDGE_DOOR_`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, HttpUrl, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cloud.contract.base import GateId
from cloud.contract.signed_passes import from_base64url
from edge.errors import SettingsError


class OfflinePolicy(StrEnum):
    """What a door does with a pass while the cloud is away."""

    CLOSED = "closed"
    """The door opens for nobody."""

    SIGNED = "signed"
    """The door opens for passes that the cloud has signed, once for each."""


class HubPolicy(StrEnum):
    """What a door with a hub does while neither the cloud nor the hub answers."""

    CLOSED = "closed"
    """The door opens for nobody."""

    OWN_MEMORY = "own_memory"
    """The door trusts its own memory. A pass may then be used once at each door."""


class DoorSettings(BaseSettings):
    """The settings of a door; docs/door.md explains each."""

    model_config = SettingsConfigDict(
        env_prefix="EDGE_DOOR_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    key: SecretStr = Field(
        min_length=1, description="Key of a scanner; `python -m cloud keys create` makes it"
    )
    gate: GateId | None = Field(
        default=None,
        description="Gate of this door; needed for a key that is bound to no gate, and while the "
        "cloud is away",
    )
    readers: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("camera",),
        min_length=1,
        description="What reads codes: camera (EDGE_SOURCE), lines (a scanner that types, on the "
        "standard input), serial:/dev/ttyUSB0; with commas between them",
    )
    answer_timeout_s: float = Field(
        default=2.0, gt=0, le=60, description="Seconds after which the cloud counts as away"
    )

    offline: OfflinePolicy = Field(
        default=OfflinePolicy.CLOSED,
        description="While the cloud is away: closed, or signed to open for signed passes",
    )
    public_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Public keys of passes, with commas between them; "
        "`python -m cloud signing-keys public` prints one",
    )
    hub: HttpUrl | None = Field(
        default=None, description="Address of the site's hub, which all doors of the site share"
    )
    hub_key: SecretStr | None = Field(
        default=None, description="Key of the hub, the same for the hub and all doors"
    )
    without_hub: HubPolicy = Field(
        default=HubPolicy.CLOSED,
        description="While cloud and hub are away: closed, or own_memory to trust this door alone",
    )

    relay_pin: str | None = Field(
        default=None, description="GPIO pin of the lock's relay, such as GPIO17"
    )
    relay_active_low: bool = Field(
        default=False, description="Whether the relay closes when the pin is low"
    )
    buzzer_pin: str | None = Field(
        default=None, description="GPIO pin of a buzzer that sounds at a refusal"
    )
    open_command: str | None = Field(
        default=None, description="Command that opens the lock, run without a shell"
    )
    open_webhook: HttpUrl | None = Field(
        default=None, description="Address that is called (POST) to open the lock"
    )
    open_s: float = Field(default=3.0, gt=0, le=60, description="Seconds that the relay is closed")

    @field_validator("readers", "public_keys", mode="before")
    @classmethod
    def _split_at_commas(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("readers")
    @classmethod
    def _known_readers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for reader in value:
            if reader not in {"camera", "lines"} and not reader.startswith("serial:/"):
                raise ValueError(
                    f"{reader!r} is no reader; take camera, lines or serial: and a port's path"
                )
        return value

    @field_validator("public_keys")
    @classmethod
    def _whole_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for number, key in enumerate(value, 1):
            try:
                from_base64url(key)
            except ValueError as error:
                raise ValueError(
                    f"key {number} is no public key; `python -m cloud signing-keys public` prints"
                    " the key"
                ) from error
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.offline is OfflinePolicy.SIGNED and not (self.public_keys and self.gate):
            raise ValueError(
                "EDGE_DOOR_OFFLINE=signed needs EDGE_DOOR_PUBLIC_KEYS and EDGE_DOOR_GATE"
            )
        if self.hub is not None and self.hub_key is None:
            raise ValueError("EDGE_DOOR_HUB needs EDGE_DOOR_HUB_KEY")
        return self

    @property
    def known_secrets(self) -> list[str]:
        """The keys in these settings."""
        keys = (self.key, self.hub_key)
        return [key.get_secret_value() for key in keys if key is not None]


class HubSettings(BaseSettings):
    """The settings of a site's hub."""

    model_config = DoorSettings.model_config

    hub_key: SecretStr = Field(
        min_length=16, description="Key that each door must send, at least 16 letters"
    )


def load() -> DoorSettings:
    """Read a door's settings from the environment, and from the files in EDGE_SECRETS_DIR.

    Returns:
        The settings.

    Raises:
        SettingsError: A variable is wrong or missing; the message names each.
    """
    with _translated():
        return DoorSettings(_secrets_dir=_secrets_dir())


def load_hub() -> HubSettings:
    """Read the hub's settings, as `load` does.

    Returns:
        The settings.

    Raises:
        SettingsError: The key is missing or too short.
    """
    with _translated():
        return HubSettings(_secrets_dir=_secrets_dir())


def _secrets_dir() -> Path | None:
    folder = Path(os.environ.get("EDGE_SECRETS_DIR") or os.devnull)
    return folder if folder.is_dir() else None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        flaws = []
        for flaw in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in flaw["loc"])
            flaws.append(f"EDGE_DOOR_{name.upper()}: {flaw['msg']}" if name else flaw["msg"])
        raise SettingsError(
            "the door's settings are wrong: " + "; ".join(flaws), "docs/door.md lists every setting"
        ) from error
