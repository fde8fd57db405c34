"""Who this device is: `device.json`, written once by enrolment and readable by its owner alone."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_serializer

from edge.errors import NotEnrolledError
from edge.state import write_private

_MEND = "Enrol it: `python -m edge enrol --code CODE`, with a code from the cloud for this gate"


class Identity(BaseModel):
    """A device's name, its gate, and the key that proves it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    device_id: str
    device_key: SecretStr
    gate: str
    cloud_url: str

    @field_serializer("device_key", when_used="json")
    def _reveal(self, key: SecretStr) -> str:
        return key.get_secret_value()


def load(path: Path) -> Identity:
    """Read who this device is.

    Raises:
        NotEnrolledError: There is no such file, or it is damaged.
    """
    try:
        return Identity.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotEnrolledError(
            f"this device is not enrolled: {path} does not exist", _MEND
        ) from error
    except OSError as error:
        raise NotEnrolledError(f"{path} cannot be read: {error.strerror}", _MEND) from error
    except ValidationError:
        # Its message would quote the file, and the file holds the key.
        raise NotEnrolledError(f"{path} is damaged", _MEND) from None


def save(identity: Identity, path: Path) -> None:
    """Write it with mode 0600, whole or not at all.

    Raises:
        EdgeError: The folder cannot be written.
    """
    write_private(identity.model_dump_json(indent=1) + "\n", path)
