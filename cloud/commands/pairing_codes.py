"""One-time codes that give a chat a role at a gate."""

from datetime import timedelta
from typing import Annotated

import typer

from cloud import invitations
from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract import StaffRole
from cloud.store import now

app = typer.Typer(no_args_is_help=True, help="One-time codes that give a chat a role at a gate.")


@app.command("create")
def create_pairing_code(
    gate_id: Annotated[str, typer.Argument(help="The gate.")],
    role: Annotated[StaffRole, typer.Option(help="The role of the chat.")],
    as_json: AsJson = False,
) -> None:
    """Make a one-time code. The chat that sends `/start <code>` to the bot gets the role."""
    lifetime = timedelta(seconds=console.settings().pairing_code_lifetime_s)
    with console.store() as store:
        if store.gates.get(gate_id) is None:
            console.refuse(
                f"there is no gate {gate_id}; make it with `python -m cloud gates create {gate_id}`"
            )
        code = store.staff.new_code(gate_id, role, lifetime, now())
        console.record(store, "pairing_code.created", f"role:{role.value}", gate=gate_id)
        code = code.model_copy(update={"url": invitations.deep_link(store, code.code)})
    until = code.expires_at.strftime("%H:%M")
    said = f"/start {code.code}" if code.url is None else f"{code.url}\nor: /start {code.code}"
    console.show(code, as_json, f"{said}\ngood once, for gate {gate_id}, until {until} UTC")
