"""What the cloud last told this device to work by, kept for a start without the cloud:
`gate-settings.json`.
"""

from pathlib import Path

import structlog
from pydantic import ValidationError

from cloud.contract import DeviceSettings
from edge.errors import EdgeError
from edge.state import write_private

_log = structlog.get_logger(__name__)


def load(path: Path, gate: str) -> DeviceSettings | None:
    """What was kept; None where nothing was, where it is another gate's, or where the file cannot
    be read, which is logged: the cloud says it again as soon as it is there.
    """
    try:
        kept = DeviceSettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _log.warning("settings_unreadable", file=str(path), error=type(error).__name__)
        return None
    return kept if kept.gate == gate else None


def save(told: DeviceSettings, path: Path) -> None:
    """Keep it. A disk that cannot be written is logged: the settings hold until the next start."""
    try:
        write_private(told.model_dump_json(indent=1) + "\n", path)
    except EdgeError as error:
        _log.error("settings_not_kept", error=str(error))
