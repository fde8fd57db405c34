"""Keys: who may call what."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract import Key, KeyChange, KeyStatus, NewKey, Role
from cloud.store import (
    Store,
    StoredKey,
    amended,
    declared,
    differences,
    expiry_of,
    mint,
    now,
)

app = typer.Typer(no_args_is_help=True, help="Keys: who may call what.")

Expires = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN",
        help="When the key expires: after 12h, 30d or 52w, or at a moment such as "
        "2027-01-31T18:00:00Z. By default: never.",
    ),
]
KeyId = Annotated[str, typer.Argument(help="As `keys list` shows it.")]


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="A name for people, such as 'Front desk'.")],
    role: Annotated[Role, typer.Option(help="The role of its bearer.")],
    gate: Annotated[str | None, typer.Option(help="Bind the key to this gate alone.")] = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once and kept as a hash.

    A device's key is not made here: enrol the device with a code.
    """
    if role is Role.DEVICE:
        console.refuse(
            "a device's key is made by enrolling it; see `enrolment-codes create --help`"
        )
    new = console.valid(
        lambda: NewKey.model_validate(
            {"name": name, "role": role, "gate": gate, **console.expiry(expires)}
        )
    )
    with console.store() as store:
        if gate is not None and store.gates.get(gate) is None:
            console.no_gate(gate)
        minted = mint(new.name, new.role, new.gate, expires_at=expiry_of(new, now()))
        store.keys.add(minted.stored)
        console.record(
            store, "key.created", f"key:{minted.stored.id}", gate=new.gate, reason=new.name
        )
    console.show(
        minted.issued(), as_json, f"Keep this key safe, it is not shown again:\n{minted.text}"
    )


@app.command("add")
def add_key(
    *,
    name: Annotated[str, typer.Argument(help="A name for people, such as 'Dashboard'.")],
    role: Annotated[Role, typer.Option(help="The role of its bearer.")],
    file: Annotated[Path, typer.Option(help="The key's file.", exists=True, dir_okay=False)],
    gate: Annotated[str | None, typer.Option(help="Bind the key to this gate alone.")] = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Keep a key that was made elsewhere, so that a deployment can declare it as a secret.

    The key is mg_, 12 hexadecimal digits, _ and at least 43 random letters, digits, - or _. If it
    is kept already, nothing changes; a revoked key stays revoked.
    """
    if role is Role.DEVICE:
        console.refuse(
            "a device's key is made by enrolling it; see `enrolment-codes create --help`"
        )
    new = console.valid(
        lambda: NewKey.model_validate(
            {"name": name, "role": role, "gate": gate, **console.expiry(expires)}
        )
    )
    with console.store() as store:
        if gate is not None and store.gates.get(gate) is None:
            console.no_gate(gate)
        try:
            text = file.read_text().strip()
        except (OSError, UnicodeError) as error:
            console.refuse(f"{file} cannot be read: {error}")
        moment = now()
        stored = declared(text, new.name, new.role, new.gate, expiry_of(new, moment))
        kept = store.keys.keep(stored)
        if kept is stored:
            console.record(store, "key.created", f"key:{stored.id}", gate=new.gate, reason=new.name)
    public: Key = kept.shown(moment)
    console.show(public, as_json, f"key {kept.id} ({kept.name}) is kept, as {kept.role.value}")


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List keys without their secrets, revoked and expired keys too."""
    with console.store() as store:
        moment = now()
        held = [key.shown(moment) for key in store.keys.all()]
    if as_json:
        print(json.dumps([key.model_dump(mode="json") for key in held]))
        return
    table = Table("id", "name", "role", "gate", "made", "expires", "state")
    for key in held:
        state = "good" if key.status is KeyStatus.ACTIVE else key.status.value
        made = key.created_at.strftime("%Y-%m-%d %H:%M")
        until = key.expires_at.strftime("%Y-%m-%d %H:%M") if key.expires_at else "never"
        table.add_row(key.id, key.name, key.role.value, key.gate or "all", made, until, state)
    console.output.print(table)


@app.command("rename")
def rename_key(
    key_id: KeyId,
    name: Annotated[str, typer.Argument(help="The new name.")],
) -> None:
    """Rename a key. Its role and gate stay the same; a device's key renames its device too."""
    change = console.valid(lambda: KeyChange(name=name))
    with console.store() as store:
        after = _changed(store, key_id, change)
        if after.device_id is not None:
            store.devices.rename(after.device_id, after.name)
    console.output.print(f"key {key_id} is now {after.name}", markup=False, highlight=False)


@app.command("expire")
def expire_key(
    key_id: KeyId,
    when: Annotated[
        str,
        typer.Argument(
            help="After 12h, 30d or 52w, at a moment such as 2027-01-31T18:00:00Z, or `never`."
        ),
    ],
) -> None:
    """Set when a key expires.

    A key that was revoked or has expired stays so; `keys revoke` ends a key at once.
    """
    wanted = {"expires_at": None} if when == "never" else console.expiry(when)
    change = console.valid(lambda: KeyChange.model_validate(wanted))
    with console.store() as store:
        after = _changed(store, key_id, change)
    until = f"{after.expires_at:%Y-%m-%d %H:%M:%S} UTC" if after.expires_at else "never"
    console.output.print(f"key {key_id} expires: {until}", highlight=False)


@app.command("revoke")
def revoke_key(key_id: KeyId) -> None:
    """Revoke a key at once. A device's key revokes its device too."""
    with console.store() as store:
        key = store.keys.get(key_id)
        if key is None:
            console.refuse(_unknown(key_id))
        store.keys.revoke(key_id)
        if key.device_id is not None:
            store.devices.revoke(key.device_id)
        if not key.revoked:
            console.record(store, "key.revoked", f"key:{key_id}", gate=key.gate)
    console.output.print(f"revoked {key_id}", highlight=False)


def _changed(store: Store, key_id: str, change: KeyChange) -> StoredKey:
    """Change a key with an entry of the audit trail; end the command where there is no such key."""
    before = store.keys.get(key_id)
    after = store.keys.change(key_id, lambda held: amended(held, change, now()))
    if before is None or after is None:
        console.refuse(_unknown(key_id))
    if detail := differences(before, after):
        console.record(store, "key.changed", f"key:{key_id}", gate=after.gate, detail=detail)
    return after


def _unknown(key_id: str) -> str:
    return f"there is no key {key_id}; `python -m cloud keys list` shows all keys"
