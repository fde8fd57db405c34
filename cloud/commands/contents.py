"""The contents of the store: purge, backup and restore."""

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
"""Backups that a schedule keeps by default."""


def purge(
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Instead of CLOUD_RETENTION_DAYS.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Remove events, passes and deliveries past their retention, and print how many.

    A worker does this once a day; run it after you shorten CLOUD_RETENTION_DAYS. Statistics of
    that age are added up to days, and kept. Only a backup brings removed records back.
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
            help="The file to write; an older one is replaced. In a folder, the file is named "
            "for the moment."
        ),
    ],
    keep: Annotated[
        int | None,
        typer.Option(
            min=1, help="With a folder: keep so many of its newest backups, and remove the others."
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="With a folder: keep running, and make a backup at this time of each day (03:17, "
            "in CLOUD_TIME_ZONE) or so long after the last one (6h)."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write everything into one file: events, passes, keys, devices, gates, pending jobs.

    The backup is consistent: writers wait while it is made (1.5 s of processor time for 50,000
    keys). Keys and codes are hashes in the file, as in the store. Protect the file like the store
    itself.
    """
    folder = file if file.is_dir() else None
    if schedule is not None:
        if folder is None:
            console.refuse(f"--schedule writes into a folder of backups, and {file} is no folder")
        _by_schedule(folder, schedule, DEFAULT_KEEP if keep is None else keep)
        return
    if folder is not None:
        file = dated(folder, now())
    elif keep is not None:
        console.refuse(f"--keep needs a folder of backups, and {file} is no folder")
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
    """Make backups until a signal ends the process."""
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
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.", exists=True)],
    force: Annotated[
        bool, typer.Option("--force", help="Remove the contents of the store first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty store.

    Stop the API, the bot and the workers first, and start them afterwards. The whole file is
    checked before anything is written.
    """
    with console.store() as store, console.counting("restoring") as count:
        keys = store.backup.restore(file, now(), count, force=force)
        store.audit.record(actor=COMMAND, act="store.restored", subject="store:all", now=now())
    if as_json:
        print(json.dumps({"file": str(file), "keys": keys}))
        return
    console.output.print(f"restored {keys} keys from {file}", highlight=False)
