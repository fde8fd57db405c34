"""Gates: entrances with a camera."""

import json
from typing import Annotated

import typer
from rich.table import Table

from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract import Gate, GateChange, NewGate
from cloud.store import COMMAND, DeletionRequest, differences, now

app = typer.Typer(no_args_is_help=True, help="Gates: entrances with a camera.")

GateId = Annotated[str, typer.Argument(help="As `gates list` shows it.")]


@app.command("create")
def create_gate(
    gate_id: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    name: Annotated[
        str | None, typer.Option(help="The name for people; by default the id.")
    ] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Leave a gate of that id as it is.")
    ] = False,
    time_zone: Annotated[
        str | None,
        typer.Option(help="The time zone of mails and messages (an IANA name)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a gate."""
    new = console.valid(lambda: NewGate(id=gate_id, name=name or gate_id, time_zone=time_zone))
    gate = Gate(id=new.id, name=new.name, time_zone=new.time_zone, created_at=now())
    with console.store() as store:
        made = store.gates.add(gate)
        found = None if made else store.gates.get(gate_id)
        if not made and (found is None or not if_missing):
            console.refuse(
                f"there is a gate {gate_id} already, or there was one; the id of a deleted gate is "
                "never used again"
            )
        if made:
            console.record(store, "gate.created", f"gate:{gate_id}", gate=gate_id)
        held = found or gate
    console.show(held, as_json, f"{'made' if made else 'there is'} gate {held.id} ({held.name})")


@app.command("list")
def list_gates(as_json: AsJson = False) -> None:
    """List gates."""
    with console.store() as store:
        held = store.gates.all()
    if as_json:
        print(json.dumps([gate.model_dump(mode="json") for gate in held]))
        return
    table = Table("id", "name", "made")
    for gate in held:
        table.add_row(gate.id, gate.name, gate.created_at.strftime("%Y-%m-%d %H:%M"))
    console.output.print(table)


@app.command("rename")
def rename_gate(
    gate_id: GateId,
    name: Annotated[str, typer.Argument(help="The new name.")],
) -> None:
    """Rename a gate. Its id stays the same; messages and screens show the new name at once."""
    change = console.valid(lambda: GateChange(name=name))
    with console.store() as store:
        before = store.gates.get(gate_id)
        after = store.gates.change(gate_id, {"name": change.name})
        if before is None or after is None:
            console.no_gate(gate_id)
        if detail := differences(before, after):
            console.record(store, "gate.changed", f"gate:{gate_id}", gate=gate_id, detail=detail)
    console.output.print(f"gate {gate_id} is now {after.name}", markup=False, highlight=False)


@app.command("delete")
def delete_gate(
    gate_id: GateId,
    force: Annotated[
        bool,
        typer.Option("--force", help="Delete what belongs to the gate too."),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
) -> None:
    """Delete a gate for ever. Its id is never used again.

    The command is refused while devices, keys, accounts, subscribers, staff, waiting visitors or
    valid passes belong to the gate. With --force, devices and keys are revoked, and the rest is
    removed. The history of the gate stays readable until it is past its retention.
    """
    with console.store() as store:
        if store.gates.get(gate_id) is None:
            console.no_gate(gate_id)
        store.deletion.gate(gate_id, DeletionRequest(COMMAND, reason), now(), force=force)
    console.output.print(f"deleted gate {gate_id}", highlight=False)
