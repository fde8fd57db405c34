"""Commands on model packages, and on the models of devices."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cloud import model_packages
from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract import CommandKind, Device, ModelPackage, ModelRollback
from cloud.errors import ModelInvalid
from cloud.model_packages import order, said
from cloud.store import Store, now

app = typer.Typer(no_args_is_help=True, help="Model packages, which devices take from the cloud.")

DeviceId = Annotated[str, typer.Argument(help="As `devices list` shows it.")]
Sha256 = Annotated[str, typer.Argument(help="Of the package, as `models list` shows it.")]


@app.command("add")
def add_model(
    model: Annotated[
        Path, typer.Argument(help="The model's .xml file, with manifest.json beside it; or a ZIP.")
    ],
    as_json: AsJson = False,
) -> None:
    """Keep a model for the devices."""
    try:
        content = model.read_bytes() if model.suffix == ".zip" else model_packages.pack(model)
        packed = model_packages.read(content)
    except ModelInvalid as error:
        console.refuse(str(error))
    except OSError as error:
        console.refuse(f"{model} cannot be read: {error.strerror}")
    most = console.settings().model_max_bytes
    if len(content) > most:
        console.refuse(f"the package has {len(content)} bytes; CLOUD_MODEL_MAX_BYTES allows {most}")
    package = ModelPackage(
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        role=packed.role,
        name=packed.name,
        version=packed.version,
        added_at=now(),
    )
    with console.store() as store:
        if store.models.add(package, content):
            subject = f"model:{package.sha256}"
            console.record(store, "model.added", subject, gate=None, detail=said(package))
    console.show(package, as_json, f"{said(package)}: {package.sha256}")


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the model packages."""
    with console.store() as store:
        held = store.models.all()
    if as_json:
        print(json.dumps([package.model_dump(mode="json") for package in held]))
        return
    table = Table("sha256", "role", "name", "version", "bytes", "added")
    for each in held:
        added = each.added_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(each.sha256, each.role, each.name, each.version, str(each.size), added)
    console.output.print(table)


@app.command("delete")
def delete_model(sha256: Sha256) -> None:
    """Delete a model package. Devices that run its model keep it."""
    with console.store() as store:
        package = _package(store, sha256)
        store.models.delete(sha256)
        console.record(
            store,
            "model.deleted",
            f"model:{sha256}",
            gate=None,
            detail=said(package),
        )
    console.output.print(f"deleted {sha256}", highlight=False)


@app.command("update")
def update_model(device_id: DeviceId, sha256: Sha256) -> None:
    """Ask a device to take a model. `devices list --json` shows how that goes."""
    with console.store() as store:
        device, package = _device(store, device_id), _package(store, sha256)
        store.commands.issue([device.id], CommandKind.UPDATE_MODEL, now(), model=order(package))
        detail = f"{said(package)}, SHA-256 {sha256}"
        console.record(
            store,
            "device.model_update_asked",
            f"device:{device.id}",
            gate=device.gate,
            detail=detail,
        )
    console.output.print(f"device {device_id} is asked to take {said(package)}", highlight=False)


@app.command("roll-back")
def roll_back_model(
    device_id: DeviceId,
    role: Annotated[str, typer.Option(help="detector or classifier.")] = "classifier",
) -> None:
    """Ask a device to go back to the model that it ran before its last update."""
    rollback = console.valid(lambda: ModelRollback.model_validate({"role": role}))
    with console.store() as store:
        device = _device(store, device_id)
        store.commands.issue([device.id], CommandKind.ROLL_BACK_MODEL, now(), role=rollback.role)
        console.record(
            store,
            "device.model_rollback_asked",
            f"device:{device.id}",
            gate=device.gate,
            detail=f"role {rollback.role}",
        )
    console.output.print(f"device {device_id} is asked to go back", highlight=False)


def _device(store: Store, device_id: str) -> Device:
    device = store.devices.get(device_id)
    if device is None or device.revoked:
        console.refuse(f"there is no device {device_id}; `python -m cloud devices list` shows all")
    return device


def _package(store: Store, sha256: str) -> ModelPackage:
    package = store.models.get(sha256)
    if package is None:
        console.refuse(
            f"there is no model package {sha256}; `python -m cloud models list` shows all"
        )
    return package
