"""One-time codes that enrol a device."""

from datetime import timedelta
from typing import Annotated

import typer

from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.store import now

app = typer.Typer(no_args_is_help=True, help="One-time codes that enrol a device.")


@app.command("create")
def create_enrolment_code(
    gate_id: Annotated[str, typer.Argument(help="The device's gate.")],
    as_json: AsJson = False,
) -> None:
    """Make a one-time code that enrols a device: `python -m edge enrol --code …`."""
    lifetime = timedelta(seconds=console.settings().enrolment_code_lifetime_s)
    with console.store() as store:
        if store.gates.get(gate_id) is None:
            console.refuse(
                f"there is no gate {gate_id}; make it with `python -m cloud gates create {gate_id}`"
            )
        code = store.devices.new_code(gate_id, lifetime, now())
        console.record(store, "enrolment_code.created", f"gate:{gate_id}", gate=gate_id)
    until = code.expires_at.strftime("%H:%M")
    console.show(code, as_json, f"{code.code}\ngood once, for gate {gate_id}, until {until} UTC")
