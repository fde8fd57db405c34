"""The gate's settings as the cloud last sent them, kept in `gate-settings.json`.

The edge uses them when it starts while the cloud is away.
"""

from pathlib import Path

import structlog
from pydantic import ValidationError

from cloud.contract import DeviceSettings
from edge.errors import EdgeError
from edge.state import write_private

_log = structlog.get_logger(__name__)


def load(path: Path, gate: str) -> DeviceSettings | None:
    """Load the settings that were saved.

    A file that cannot be read is logged, and is no error: the cloud sends the settings again.

    Args:
        path: Of `gate-settings.json`.
        gate: Of this device.

    Returns:
        The settings; None if there are none, if they are of another gate, or if the file cannot be
        read.
    """
    try:
        kept = DeviceSettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _log.warning("settings_unreadable", file=str(path), error=type(error).__name__)
        return None
    return kept if kept.gate == gate else None


def save(received: DeviceSettings, path: Path) -> None:
    """Save the settings. A failure is only logged: the settings are in use until the next start."""
    try:
        write_private(received.model_dump_json(indent=1) + "\n", path)
    except EdgeError as error:
        _log.error("settings_not_kept", error=str(error))
