"""Commands on screens: the pages at doors."""

import json
from typing import Annotated

import typer
from rich.table import Table

from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract import ScreenConfirmation
from cloud.store import now

app = typer.Typer(no_args_is_help=True, help="Screens: the pages at doors.")

GateId = Annotated[str, typer.Argument(help="The gate.")]


@app.command("pair")
def pair_screen(
    gate_id: GateId,
    code: Annotated[str, typer.Argument(help="As the screen shows it.")],
    name: Annotated[str, typer.Option(help="The name of the screen in the list.")] = "Screen",
    as_json: AsJson = False,
) -> None:
    """Pair the screen that shows a code with a gate."""
    confirmation = console.valid(lambda: ScreenConfirmation(code=code, name=name))
    with console.store() as store:
        screen = store.screens.confirm(gate_id, confirmation.code, confirmation.name, now())
        subject = f"screen:{screen.id}"
        console.record(store, "screen.paired", subject, gate=gate_id, reason=screen.name)
    console.show(screen, as_json, f"paired {screen.id} with gate {gate_id}")


@app.command("link")
def make_link(gate_id: GateId, as_json: AsJson = False) -> None:
    """Make a one-time link: the screen that opens it is paired with the gate."""
    with console.store() as store:
        if store.gates.get(gate_id) is None:
            console.no_gate(gate_id)
        link = store.screens.new_link(gate_id, now())
        console.record(store, "screen_link.created", f"gate:{gate_id}", gate=gate_id)
    until = link.expires_at.strftime("%H:%M")
    said = f"/door/{gate_id}#{link.code}\ngood once, at the dashboard's address, until {until} UTC"
    console.show(link, as_json, said)


@app.command("list")
def list_screens(as_json: AsJson = False) -> None:
    """List the screens that were paired."""
    with console.store() as store:
        held = store.screens.all()
    if as_json:
        print(json.dumps([screen.model_dump(mode="json") for screen in held]))
        return
    table = Table("id", "name", "gate", "paired at", "state")
    for screen in held:
        table.add_row(
            screen.id,
            screen.name,
            screen.gate,
            screen.paired_at.strftime("%Y-%m-%d %H:%M:%S"),
            "revoked" if screen.revoked else "good",
        )
    console.output.print(table)


@app.command("revoke")
def revoke_screen(
    screen_id: Annotated[str, typer.Argument(help="As `screens list` shows it.")],
) -> None:
    """Revoke a screen. Within seconds it shows only that it is not paired."""
    with console.store() as store:
        screen = store.screens.get(screen_id)
        if screen is None:
            console.refuse(
                f"there is no screen {screen_id}; `python -m cloud screens list` shows all"
            )
        store.keys.revoke(screen_id)
        if not screen.revoked:
            console.record(store, "screen.revoked", f"screen:{screen_id}", gate=screen.gate)
    console.output.print(f"revoked {screen_id}", highlight=False)
