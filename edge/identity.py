"""The identity of this device: `device.json`, which enrolment writes and only its owner reads."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_serializer

from edge.errors import NotEnrolledError
from edge.state import write_private

_MEND = (
    "Enrol this device: `python -m edge enrol --code CODE`, with a code that the cloud made for the"
    " gate"
)


class Identity(BaseModel):
    """The device's id, its gate, and the key that proves both."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    device_id: str
    device_key: SecretStr
    gate: str
    cloud_url: str

    @field_serializer("device_key", when_used="json")
    def _reveal(self, key: SecretStr) -> str:
        return key.get_secret_value()


def load(path: Path) -> Identity:
    """Read the identity of this device.

    Args:
        path: Of `device.json`.

    Returns:
        The identity.

    Raises:
        NotEnrolledError: The file does not exist, or is damaged.
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
        # The message of the exception would quote the file, and the file holds the key.
        raise NotEnrolledError(f"{path} is damaged", _MEND) from None


def save(identity: Identity, path: Path) -> None:
    """Write the identity with mode 0600, atomically.

    Raises:
        EdgeError: The folder cannot be written.
    """
    write_private(identity.model_dump_json(indent=1) + "\n", path)
