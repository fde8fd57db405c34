"""What can be set at the edge: environment variables that begin with `EDGE_`."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.request import getproxies

from pydantic import (
    DirectoryPath,
    Field,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticUseDefault
from pydantic_settings import BaseSettings, SettingsConfigDict

from edge.errors import SettingsError
from edge.secrets import Secrets

MODELS_DIR = Path(__file__).parent / "models"


class Pace(StrEnum):
    """How a finite source is played."""

    REALTIME = "realtime"
    """As if it were live: at its own frame rate, and the newest frame wins."""

    EVERY_FRAME = "every_frame"
    """Every frame is judged, as fast as that goes."""


class PreviewMode(StrEnum):
    """Whether pictures leave this device while somebody watches its gate."""

    OFF = "off"
    ALLOWED = "allowed"
    """With every face blurred."""

    FACES = "faces"
    """As the camera sees them."""


class Precision(StrEnum):
    """Which of the manifest's models to run."""

    AUTO = "auto"
    """What suits the processor."""

    FP16 = "fp16"
    INT8 = "int8"


class Attributes(StrEnum):
    """What is counted of people besides masks."""

    NONE = "none"
    GENDER = "gender"


Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """The edge's settings. docs/settings/edge.md explains each for people."""

    model_config = SettingsConfigDict(
        env_prefix="EDGE_",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    source: SecretStr = Field(
        default=SecretStr("0"),
        min_length=1,
        description="Camera index, /dev path, RTSP or HTTP URL, video file, or folder of images",
    )
    pace: Pace = Field(
        default=Pace.REALTIME, description="How a video file is played: realtime or every_frame"
    )
    folder_fps: float = Field(
        default=10.0, gt=0, le=1000, description="Images per second of a folder used as a source"
    )
    loop: bool = Field(default=False, description="Play a finite source again and again")
    stall_after_s: Seconds = Field(
        default=10.0, description="Seconds without a frame after which the camera counts as stalled"
    )

    cloud_url: HttpUrl = Field(
        default=HttpUrl("http://127.0.0.1:8000"),
        description="Where the cloud's API is; once enrolled, by default the address used for that",
    )
    request_timeout_s: Seconds = Field(
        default=10.0, description="Seconds to wait for an answer of the API"
    )
    heartbeat_s: Seconds = Field(default=15.0, description="Seconds between heartbeats")
    drain_timeout_s: float = Field(
        default=30.0,
        ge=0,
        le=86_400,
        description="Seconds to wait at the end of a finite source for the outbox to empty",
    )
    state_dir: Path = Field(
        default=Path("var/edge"), description="Folder of outbox.db and device.json"
    )
    enrolment_code: SecretStr | None = Field(
        default=None,
        description="One-time code with which `run` enrols this device where it is not enrolled",
    )
    secrets_dir: DirectoryPath | None = Field(
        default=None,
        description="Folder of settings in files, each called as its variable in small letters, "
        "such as edge_enrolment_code; a variable that is set wins",
    )

    detector: Path | None = Field(
        default=None,
        description="Face detector (.xml, .onnx …) with its sidecar; by default the manifest's",
    )
    classifier: Path | None = Field(
        default=None,
        description="Mask classifier (.xml, .onnx …) with its sidecar; by default the manifest's",
    )
    precision: Precision = Field(
        default=Precision.AUTO,
        description="Weights of the embedded models: fp16, int8, or auto for what suits the CPU",
    )
    inference_device: str = Field(
        default="CPU", min_length=1, description="OpenVINO device: CPU, GPU, AUTO …"
    )
    inference_threads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Threads for inference; by default OpenVINO's choice",
    )
    model_cache_dir: Path | None = Field(
        default=None, description="Folder where compiled models are kept for a faster start"
    )

    votes: int = Field(
        default=5, ge=1, le=1000, description="Votes (judged frames) that a verdict needs at least"
    )
    majority: float = Field(
        default=0.7,
        gt=0.5,
        le=1.0,
        description="Share of the votes' probability that a verdict's label needs",
    )
    cooldown_s: float = Field(
        default=3.0,
        ge=0,
        le=3600,
        description="Seconds after a verdict before the same person can cause another",
    )
    lost_after_s: Seconds = Field(
        default=1.5, description="Seconds without its face after which a sighting is over"
    )
    max_faces: int = Field(
        default=4, ge=1, le=100, description="Faces judged in a frame, the nearest first"
    )

    preview: PreviewMode = Field(
        default=PreviewMode.OFF,
        description="Pictures for who watches the gate from afar: off, allowed (faces blurred) or"
        " faces (as they are)",
    )
    attributes: Attributes = Field(
        default=Attributes.NONE,
        description="Attributes of unmasked people that are counted, never told of one: gender",
    )

    sound: bool = Field(default=True, description="Ring the terminal's bell on a refusal")
    sound_command: str | None = Field(
        default=None, description="Command to run on a refusal, e.g. aplay /usr/share/beep.wav"
    )
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="Serve Prometheus metrics on this port"
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address that the metrics port listens on; 0.0.0.0 is every address of IPv4, "
        "and :: every one of IPv6 and IPv4",
    )
    log_json: bool = Field(default=False, description="Write the log as one JSON object a line")

    @field_validator("source", mode="before")
    @classmethod
    def _empty_file_is_no_source(cls, value: Any) -> Any:
        if value == "":
            raise PydanticUseDefault
        return value

    @field_validator("enrolment_code", "secrets_dir", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return value or None

    @field_validator("cloud_url", mode="after")
    @classmethod
    def _no_login(cls, value: HttpUrl) -> HttpUrl:
        # HTTP has one header for both, so the login would take the place of the device's key.
        if value.username or value.password:
            raise ValueError(
                "the address holds a user name or a password; leave them out: this device proves"
                " itself by the key that it got when it was enrolled"
            )
        return value

    @model_validator(mode="after")
    def _no_empty_command(self) -> Self:
        if self.sound_command is not None and not self.sound_command.strip():
            raise ValueError("EDGE_SOUND_COMMAND is empty; leave it out for no command")
        return self

    def cloud_address(self, enrolled_at: str | None = None) -> str:
        """Where the API is: as set, else where this device was enrolled, else the default."""
        if enrolled_at is not None and "cloud_url" not in self.model_fields_set:
            return enrolled_at
        return str(self.cloud_url).rstrip("/")

    @property
    def secrets(self) -> Secrets:
        """What must not be seen of these settings, and of the proxies that the system names."""
        code = self.enrolment_code
        return Secrets(
            [self.source.get_secret_value(), str(self.cloud_url), *getproxies().values()],
            [code.get_secret_value()] if code is not None else [],
        )

    @property
    def device_path(self) -> Path:
        """The file that holds who this device is, and its key."""
        return self.state_dir / "device.json"

    @property
    def gate_settings_path(self) -> Path:
        """The file that holds what the cloud last told this device to work by."""
        return self.state_dir / "gate-settings.json"

    @property
    def outbox_path(self) -> Path:
        """The durable queue's database."""
        return self.state_dir / "outbox.db"


def log_as_json() -> bool:
    """Whether EDGE_LOG_JSON asks for JSON, whatever is wrong with other settings.

    It is known before the rest: what is wrong with that is to be said in the log's form.
    """
    said = os.environ.get("EDGE_LOG_JSON")
    folder = os.environ.get("EDGE_SECRETS_DIR")
    if said is None and folder:
        try:
            said = (Path(folder) / "edge_log_json").read_text()
        except OSError:
            return False
    try:
        return TypeAdapter(bool).validate_python((said or "false").strip())
    except ValidationError:
        return False


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment.

    Args:
        overrides: Field by field, what the command line said; None means that it said nothing.

    Raises:
        SettingsError: Naming every variable that is wrong, and why.
    """
    said = {name: value for name, value in overrides.items() if value is not None}
    # The folder is a setting too. pydantic-settings only warns of a folder that is missing, so such
    # a folder is left to the field `secrets_dir`, which refuses it.
    folder = Path(os.environ.get("EDGE_SECRETS_DIR") or os.devnull)
    try:
        return Settings(_secrets_dir=folder if folder.is_dir() else None, **said)
    except ValidationError as error:
        lines = []
        for flaw in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in flaw["loc"])
            lines.append(f"EDGE_{name.upper()}: {flaw['msg']}" if name else flaw["msg"])
        raise SettingsError(
            "settings are wrong: " + "; ".join(lines),
            "docs/settings/edge.md lists every setting",
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{error.filename} cannot be read: {error.strerror}",
            "See who owns the files in EDGE_SECRETS_DIR",
        ) from error
