"""The settings of the edge: environment variables that begin with `EDGE_`."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
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
from edge.named_values import FIRST_CAMERA, named_values
from edge.redaction.secrets import Secrets
from edge.region import Region, regions_of

MODELS_DIR = Path(__file__).parent / "models"


class Pace(StrEnum):
    """How a finite source is played."""

    REALTIME = "realtime"
    """As if it were live: at its own frame rate, and the newest frame wins."""

    EVERY_FRAME = "every_frame"
    """Every frame is judged, as fast as possible."""


class PreviewMode(StrEnum):
    """Whether pictures leave this device while somebody watches its gate."""

    OFF = "off"
    ALLOWED = "allowed"
    """Pictures leave the device with every face blurred."""

    FACES = "faces"
    """Pictures leave the device unchanged."""


class Precision(StrEnum):
    """The precision of the weights of the embedded models."""

    AUTO = "auto"
    """The precision that suits the processor."""

    FP16 = "fp16"
    INT8 = "int8"


class InferencePrecision(StrEnum):
    """The precision in which a device computes; OpenVINO's names."""

    AUTO = "auto"
    """OpenVINO's choice: bf16 or f16 where the processor has instructions for them."""

    F32 = "f32"
    """The same verdict on every processor. 8-bit models stay in 8 bits."""

    BF16 = "bf16"
    F16 = "f16"


class Stills(StrEnum):
    """Which pictures of people are suspected, and get no pass."""

    OFF = "off"

    MOTIONLESS = "motionless"
    """A face that does not move, such as a poster on the wall."""

    FLAT = "flat"
    """Besides these, a face that moves as a flat thing does: a print or a phone in a hand."""


class Attributes(StrEnum):
    """The attribute of unmasked people that is counted."""

    NONE = "none"
    GENDER = "gender"


MOST_CAMERAS = 16
"""Most cameras of a device: the limit of a heartbeat."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """The settings of the edge; docs/settings/edge.md explains each."""

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
    cameras: SecretStr | None = Field(
        default=None,
        description="Further cameras of this gate, as NAME=SOURCE with spaces between them, such as"
        " 'side=1 yard=rtsp://10.0.0.7/live'; the camera of EDGE_SOURCE is then called main",
    )
    pace: Pace = Field(
        default=Pace.REALTIME, description="How a video file is played: realtime or every_frame"
    )
    folder_fps: float = Field(
        default=10.0, gt=0, le=1000, description="Images per second of a folder used as a source"
    )
    loop: bool = Field(default=False, description="Play a finite source again and again")
    rotate: Literal[0, 90, 180, 270] = Field(
        default=0,
        description="Degrees clockwise by which the pictures of a sideways camera are turned: 0,"
        " 90, 180 or 270",
    )
    region: str | None = Field(
        default=None,
        description="Part of the picture in which people are judged, as shares x,y,width,height,"
        " such as 0.2,0,0.6,1; for several cameras 'main=0.2,0,0.6,1 side=0,0,0.5,1'",
    )
    stall_after_s: Seconds = Field(
        default=10.0, description="Seconds without a frame after which the camera counts as stalled"
    )
    hang_exit_s: float = Field(
        default=30.0,
        ge=0,
        le=86_400,
        description="Seconds after which a call that does not return (of the camera, a model, the"
        " disk) ends the process with exit code 4; 0 for never",
    )

    cloud_url: HttpUrl = Field(
        default=HttpUrl("http://127.0.0.1:8000"),
        description="Address of the cloud's API; default after enrolment: the address used for it",
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
    heartbeat_file: Path | None = Field(
        default=None,
        description="File that is written every 5 seconds while no part of the edge is stuck; "
        "`python -m edge alive` reads it",
    )
    outbox_max_mb: int = Field(
        default=64,
        ge=1,
        le=65_536,
        description="Largest size of the outbox in MiB; beyond it the oldest events are dropped",
    )
    outbox_max_age_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="Days after which an event that the cloud did not take is dropped",
    )
    enrolment_code: SecretStr | None = Field(
        default=None,
        description="One-time code with which `run` enrols this device if it is not enrolled yet",
    )
    secrets_dir: DirectoryPath | None = Field(
        default=None,
        description="Folder of settings in files, each named like its variable in lower case, "
        "such as edge_enrolment_code; a variable wins over its file",
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
        description="Weights of the embedded models: fp16, int8, or auto for the best on this CPU",
    )
    inference_precision: InferencePrecision = Field(
        default=InferencePrecision.F32,
        description="Precision of the arithmetic: f32 for the same verdict on every processor,"
        " bf16, f16, or auto for OpenVINO's choice",
    )
    inference_device: str = Field(
        default="CPU", min_length=1, description="OpenVINO device: CPU, GPU, AUTO …"
    )
    inference_threads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Threads for inference; by default 1 for each request on x86 with AVX2, and"
        " OpenVINO's choice on others",
    )
    model_cache_dir: Path | None = Field(
        default=None, description="Folder where compiled models are kept for a faster start"
    )

    model_updates: bool = Field(
        default=True, description="Whether operators may replace the models from the cloud"
    )
    model_probation_s: Seconds = Field(
        default=300.0,
        description="Seconds in which a model from the cloud must judge without an error; otherwise"
        " the model before takes its place again",
    )

    votes: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Votes (judged frames) that a verdict needs at 10 frames/s or more",
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
        description="Seconds for which a lost person is remembered who had a verdict",
    )
    lost_after_s: Seconds = Field(
        default=1.5, description="Seconds without its face after which a sighting is over"
    )
    max_faces: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Faces judged in a frame, those without a verdict first",
    )

    preview: PreviewMode = Field(
        default=PreviewMode.OFF,
        description="Pictures for an operator who watches the gate: off, allowed (faces blurred) or"
        " faces (unchanged)",
    )
    stills: Stills = Field(
        default=Stills.MOTIONLESS,
        description="Pictures of people that get no pass: motionless (a poster), flat (also a print"
        " or a phone in a moving hand), or off",
    )
    attributes: Attributes = Field(
        default=Attributes.NONE,
        description="Attribute of unmasked people that is counted, as sums alone: none or gender",
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
    log_json: bool = Field(default=False, description="Write the log as one JSON object per line")

    @field_validator("rotate", mode="before")
    @classmethod
    def _degrees(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.strip().isdecimal() else value

    @field_validator("source", mode="before")
    @classmethod
    def _empty_file_is_no_source(cls, value: Any) -> Any:
        if value == "":
            raise PydanticUseDefault
        return value

    @field_validator("cameras", mode="after")
    @classmethod
    def _named_cameras(cls, value: SecretStr | None) -> SecretStr | None:
        found = named_values(value.get_secret_value()) if value is not None else {}
        if FIRST_CAMERA in found:
            raise ValueError(f"{FIRST_CAMERA} is the camera of EDGE_SOURCE; use another name")
        if len(found) >= MOST_CAMERAS:
            raise ValueError(f"a device has at most {MOST_CAMERAS} cameras, with EDGE_SOURCE")
        return value

    @field_validator("cameras", "enrolment_code", "secrets_dir", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return value or None

    @field_validator("cloud_url", mode="after")
    @classmethod
    def _no_login(cls, value: HttpUrl) -> HttpUrl:
        # HTTP has one header for a login and for a key, so the login would replace the key.
        if value.username or value.password:
            raise ValueError(
                "the address holds a user name or a password; remove both, because the device"
                " proves itself by the key that it got when it was enrolled"
            )
        return value

    @model_validator(mode="after")
    def _regions_of_cameras(self) -> Self:
        try:
            unknown = set(self.regions) - {self.first_camera, *self.further_cameras}
        except ValueError as error:
            raise ValueError(f"EDGE_REGION: {error}") from None
        if unknown:
            raise ValueError(f"EDGE_REGION: there is no camera {' and no '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _no_empty_command(self) -> Self:
        if self.sound_command is not None and not self.sound_command.strip():
            raise ValueError(
                "EDGE_SOUND_COMMAND is empty; remove the variable if you want no command"
            )
        return self

    def cloud_address(self, enrolled_at: str | None = None) -> str:
        """Return the API's address: as set, else as it was at the enrolment, else the default."""
        if enrolled_at is not None and "cloud_url" not in self.model_fields_set:
            return enrolled_at
        return str(self.cloud_url).rstrip("/")

    @property
    def first_camera(self) -> str:
        """The name of the camera of EDGE_SOURCE; empty where the device has one."""
        return FIRST_CAMERA if self.further_cameras else ""

    @property
    def regions(self) -> dict[str, Region]:
        """The regions of EDGE_REGION by the cameras' names."""
        return regions_of(self.region, self.first_camera)

    @property
    def further_cameras(self) -> dict[str, str]:
        """The sources of EDGE_CAMERAS by the cameras' names."""
        return {} if self.cameras is None else named_values(self.cameras.get_secret_value())

    @property
    def secrets(self) -> Secrets:
        """The secrets in these settings and in the addresses of the system's proxies."""
        code = self.enrolment_code
        return Secrets(
            [
                self.source.get_secret_value(),
                *self.further_cameras.values(),
                str(self.cloud_url),
                *getproxies().values(),
            ],
            [code.get_secret_value()] if code is not None else [],
        )

    @property
    def device_path(self) -> Path:
        """The file with this device's identity and key."""
        return self.state_dir / "device.json"

    @property
    def gate_settings_path(self) -> Path:
        """The file with the gate's settings as the cloud last sent them."""
        return self.state_dir / "gate-settings.json"

    @property
    def installed_models_dir(self) -> Path:
        """The folder of the models that came from the cloud."""
        return self.state_dir / "models"

    def own_model(self, role: str) -> Path | None:
        """Return the model file that a setting names for a role; None if none does."""
        return {"detector": self.detector, "classifier": self.classifier}.get(role)

    @property
    def outbox_path(self) -> Path:
        """The database of the outbox."""
        return self.state_dir / "outbox.db"


def log_as_json() -> bool:
    """Return whether EDGE_LOG_JSON asks for JSON, even if other settings are wrong.

    It is read before all other settings, so that their errors have the form of the log.
    """
    text = os.environ.get("EDGE_LOG_JSON")
    folder = os.environ.get("EDGE_SECRETS_DIR")
    if text is None and folder:
        try:
            text = (Path(folder) / "edge_log_json").read_text()
        except OSError:
            return False
    try:
        return TypeAdapter(bool).validate_python((text or "false").strip())
    except ValidationError:
        return False


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment.

    Args:
        overrides: Options of the command line by the field's name; None for an option that was
            not given.

    Returns:
        The settings.

    Raises:
        SettingsError: A variable is wrong; the message names every wrong variable and the reason.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    # The folder is a setting, too. pydantic-settings only warns of a missing folder; the field
    # `secrets_dir` refuses it.
    folder = Path(os.environ.get("EDGE_SECRETS_DIR") or os.devnull)
    try:
        return Settings(_secrets_dir=folder if folder.is_dir() else None, **given)
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
            "Check the owner and the mode of the files in EDGE_SECRETS_DIR",
        ) from error
