"""All that the store holds: purged by age, backed up, restored."""

import json
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from cloud import logs
from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.store import COMMAND, dated, now, thin_out

DEFAULT_KEEP: Final = 14
"""Backups that are kept where nothing is said."""


def purge(
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Instead of CLOUD_RETENTION_DAYS.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Remove events, passes and deliveries past their retention, and say how many.

    A worker does this once a day; run it after CLOUD_RETENTION_DAYS was made shorter. Statistics of
    that age are added up to days, and kept. What is removed cannot be brought back but from a
    backup.
    """
    from cloud.worker import maintenance  # noqa: PLC0415

    settings = console.settings()
    with console.store() as store:
        removed = maintenance.purge(store, settings, days)
    if as_json:
        print(json.dumps(asdict(removed)))
        return
    console.output.print(
        f"removed {removed.events} events, {removed.passes} passes, {removed.deliveries} "
        f"deliveries; {removed.quarters} quarters of an hour of statistics are days now",
        highlight=False,
    )


def backup(
    file: Annotated[
        Path,
        typer.Argument(
            help="Where to write; an older one is replaced. In a folder, the file is named for "
            "the moment."
        ),
    ],
    keep: Annotated[
        int | None, typer.Option(min=1, help="With a folder: remove all but so many of its newest.")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="With a folder: stay, and make one at this time of each day (03:17, in "
            "CLOUD_TIME_ZONE) or so long after the last one (6h)."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write everything into one file: events, passes, keys, devices, gates, pending jobs.

    It is consistent: writers wait while it is made (1.5 s of processor time for 50,000 keys).
    Keys and codes are hashes in it, as in the store; still, keep it as you would the store itself.
    """
    folder = file if file.is_dir() else None
    if schedule is not None:
        if folder is None:
            console.refuse(f"--schedule writes into a folder of backups, and {file} is none")
        _by_schedule(folder, schedule, DEFAULT_KEEP if keep is None else keep)
        return
    if folder is not None:
        file = dated(folder, now())
    elif keep is not None:
        console.refuse(f"--keep thins out a folder of backups, and {file} is none")
    with console.store() as store, console.counting("backing up") as count:
        keys = store.backup.write(file, now(), count)
        store.audit.record(actor=COMMAND, act="store.backed_up", subject="store:all", now=now())
    if folder is not None and keep is not None:
        thin_out(folder, keep)
    if as_json:
        print(json.dumps({"file": str(file), "keys": keys, "bytes": file.stat().st_size}))
        return
    console.output.print(
        f"wrote {keys} keys to {file} ({file.stat().st_size:,} bytes)", highlight=False
    )


def _by_schedule(folder: Path, text: str, keep: int) -> None:
    """Make backups until a signal ends that."""
    from cloud import backups, meters  # noqa: PLC0415

    settings = console.settings()
    try:
        schedule = backups.Schedule.read(text, ZoneInfo(settings.time_zone))
    except ValueError as error:
        console.refuse(f"--schedule: {error}")
    logs.start(settings)
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    with console.store() as store:
        kept = backups.Backups(store, folder, schedule, keep)
        meters.watch_backups(kept.late, kept.last_success)
        end_metrics = meters.serve(settings, registry=meters.BACKUPS)
        try:
            kept.run(stop)
        finally:
            end_metrics()


def restore(
    file: Annotated[Path, typer.Argument(help="As `backup` wrote it.", exists=True)],
    force: Annotated[
        bool, typer.Option("--force", help="Remove what the store holds, and put this there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back, into an empty store.

    Stop the API, the bot and the workers first, and start them after. The file is checked whole
    before anything is written.
    """
    with console.store() as store, console.counting("restoring") as count:
        keys = store.backup.restore(file, now(), count, force=force)
        store.audit.record(actor=COMMAND, act="store.restored", subject="store:all", now=now())
    if as_json:
        print(json.dumps({"file": str(file), "keys": keys}))
        return
    console.output.print(f"restored {keys} keys from {file}", highlight=False)
