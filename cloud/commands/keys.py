"""Keys: who may call what."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract import Key, NewKey, Role
from cloud.store import declared, mint

app = typer.Typer(no_args_is_help=True, help="Keys: who may call what.")


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What people call the key, such as 'Front desk'.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    gate: Annotated[str | None, typer.Option(help="Bind it to this gate alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once and kept as a hash.

    A device's key is not made here: enrol the device with a code.
    """
    if role is Role.DEVICE:
        console.refuse(
            "a device's key is made by enrolling it; see `enrolment-codes create --help`"
        )
    new = console.valid(lambda: NewKey(name=name, role=role, gate=gate))
    with console.store() as store:
        if gate is not None and store.gates.get(gate) is None:
            console.refuse(
                f"there is no gate {gate}; `python -m cloud gates list` shows those there are"
            )
        minted = mint(new.name, new.role, new.gate)
        store.keys.add(minted.stored)
    console.show(
        minted.issued(), as_json, f"Keep this key safe, it is not shown again:\n{minted.text}"
    )


@app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="What people call the key, such as 'Dashboard'.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    file: Annotated[Path, typer.Option(help="Holds the key.", exists=True, dir_okay=False)],
    gate: Annotated[str | None, typer.Option(help="Bind it to this gate alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Keep a key that was made elsewhere, so that a deployment can declare it as a secret.

    It is mg_, 12 hexadecimal digits, _ and at least 43 random letters, digits, - or _. Where it is
    kept already nothing changes; one that was revoked stays so.
    """
    if role is Role.DEVICE:
        console.refuse(
            "a device's key is made by enrolling it; see `enrolment-codes create --help`"
        )
    new = console.valid(lambda: NewKey(name=name, role=role, gate=gate))
    with console.store() as store:
        if gate is not None and store.gates.get(gate) is None:
            console.refuse(
                f"there is no gate {gate}; `python -m cloud gates list` shows those there are"
            )
        try:
            text = file.read_text().strip()
        except (OSError, UnicodeError) as error:
            console.refuse(f"{file} cannot be read: {error}")
        stored = declared(text, new.name, new.role, new.gate)
        kept = store.keys.keep(stored)
    public = Key(**kept.model_dump())
    console.show(public, as_json, f"key {kept.id} ({kept.name}) is kept, as {kept.role.value}")


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List keys, without their secrets."""
    with console.store() as store:
        held = [Key(**key.model_dump()) for key in store.keys.all()]
    if as_json:
        print(json.dumps([key.model_dump(mode="json") for key in held]))
        return
    table = Table("id", "name", "role", "gate", "made", "state")
    for key in held:
        state = "revoked" if key.revoked else "good"
        made = key.created_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(key.id, key.name, key.role.value, key.gate or "all", made, state)
    console.output.print(table)


@app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")]) -> None:
    """Take a key back, at once. A device's key takes its device with it."""
    with console.store() as store:
        key = store.keys.get(key_id)
        if key is None:
            console.refuse(f"there is no key {key_id}")
        store.keys.revoke(key_id)
        if key.device_id is not None:
            store.devices.revoke(key.device_id)
    console.output.print(f"revoked {key_id}", highlight=False)
