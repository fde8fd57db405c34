"""The commands `door` and `door-hub`."""

from typing import Annotated

import structlog
import typer

from edge import console, logs, settings
from edge.door import settings as door_settings
from edge.redaction import secrets

_log = structlog.get_logger("edge")


def door(
    source: Annotated[
        str | None,
        typer.Option(help="Camera that reads codes, as for `run` (EDGE_SOURCE)"),
    ] = None,
) -> None:
    """Open the door: read the codes of passes, redeem them, and open the lock once for each.

    The door opens only if the cloud answers `admitted`. While the cloud is away it stays shut,
    unless EDGE_DOOR_OFFLINE=signed. docs/door.md lists the settings (EDGE_DOOR_…).
    """
    with console.reported_errors("door"):
        chosen = settings.load(source=source)
        of_door = door_settings.load()
        _start(chosen, of_door.known_secrets)

        # OpenCV is imported after the log is set up: its lines then have the form of the log.
        from edge.door import entrance  # noqa: PLC0415

        with logs.library_messages():
            report = entrance.run(chosen, of_door, None if chosen.log_json else console.DISPLAY)
    if chosen.log_json:
        _log.info("door_ended", codes=report.codes, admitted=report.admitted)
    else:
        console.DISPLAY.print(
            f"{report.codes} codes read, {report.admitted} admitted", highlight=False
        )


def door_hub(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on", min=0, max=65535)] = 8765,
) -> None:
    """Serve the hub of a site: one list of used passes for its doors while the cloud is away.

    Each door has the address in EDGE_DOOR_HUB, and the same key in EDGE_DOOR_HUB_KEY as the hub.
    """
    with console.reported_errors("door-hub"):
        chosen = settings.load()
        key = door_settings.load_hub().hub_key
        _start(chosen, [key.get_secret_value()])

        from edge.door import entrance  # noqa: PLC0415

        entrance.run_hub(chosen, key, host, port)


def _start(chosen: settings.Settings, more_secrets: list[str]) -> None:
    secrets.KNOWN.add(chosen.secrets)
    secrets.KNOWN.add(secrets.Secrets([], more_secrets))
    if chosen.log_json:
        logs.record_crashes(chosen.state_dir / "crash.txt")
    else:
        logs.use_console()
