"""Commands on devices: cameras that are enrolled."""

import json
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract import DeviceChange
from cloud.store import differences, now

app = typer.Typer(no_args_is_help=True, help="Devices: cameras that are enrolled.")

DeviceId = Annotated[str, typer.Argument(help="As `devices list` shows it.")]


@app.command("list")
def list_devices(as_json: AsJson = False) -> None:
    """List devices, with their gates and last heartbeats."""
    with console.store() as store:
        held = store.devices.all()
    if as_json:
        print(json.dumps([device.model_dump(mode="json") for device in held]))
        return
    table = Table("id", "name", "gate", "last seen", "camera", "waiting", "state")
    for device in held:
        beat, seen = device.last_heartbeat, device.last_seen_at
        table.add_row(
            device.id,
            device.name,
            device.gate,
            seen.strftime("%Y-%m-%d %H:%M:%S") if seen else "never",
            beat.camera.value if beat else "",
            str(beat.outbox_depth) if beat else "",
            "revoked" if device.revoked else "good",
        )
    console.output.print(table)


@app.command("rename")
def rename_device(
    device_id: DeviceId,
    name: Annotated[str, typer.Argument(help="The new name.")],
) -> None:
    """Rename a device and its keys. Its gate stays the same."""
    change = console.valid(lambda: DeviceChange(name=name))
    with console.store() as store:
        before = store.devices.get(device_id)
        if before is None or change.name is None:
            console.refuse(_unknown(device_id))
        store.devices.rename(device_id, change.name)
        after = before.model_copy(update={"name": change.name})
        if detail := differences(before, after):
            subject = f"device:{device_id}"
            console.record(store, "device.changed", subject, gate=before.gate, detail=detail)
    console.output.print(f"device {device_id} is now {change.name}", markup=False, highlight=False)


@app.command("expect-offline")
def expect_offline(
    device_id: DeviceId,
    minutes: Annotated[
        int,
        typer.Option(
            min=1, max=31 * 24 * 60, help="How long the device may be silent from now on."
        ),
    ] = 60,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the announcement.")] = False,
) -> None:
    """Announce that a device will be switched off, so that nobody gets a message about it.

    The announcement ends when its time is over, or when the device is back.
    """
    with console.store() as store:
        before = store.devices.seen(device_id)
        if before is None:
            console.refuse(_unknown(device_id))
        until = None if cancel else now() + timedelta(minutes=minutes)
        if until is None:
            store.absences.cancel(device_id)
        else:
            store.absences.announce(device_id, until)
        after = before.model_copy(update={"expected_offline_until": until})
        if detail := differences(before, after):
            subject = f"device:{device_id}"
            console.record(store, "device.changed", subject, gate=before.gate, detail=detail)
    said = (
        "is expected online" if until is None else f"may be silent until {until:%Y-%m-%d %H:%M} UTC"
    )
    console.output.print(f"device {device_id} {said}", markup=False, highlight=False)


@app.command("revoke")
def revoke_device(device_id: DeviceId) -> None:
    """Revoke a device at once. Its events are kept; to use it again, enrol it again."""
    with console.store() as store:
        device = store.devices.get(device_id)
        if device is None:
            console.refuse(_unknown(device_id))
        store.devices.revoke(device_id)
        if not device.revoked:
            console.record(store, "device.revoked", f"device:{device_id}", gate=device.gate)
    console.output.print(f"revoked {device_id}", highlight=False)


def _unknown(device_id: str) -> str:
    return f"there is no device {device_id}; `python -m cloud devices list` shows all"
