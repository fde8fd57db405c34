"""Accounts: people who sign in."""

import json
from typing import Annotated

import typer
from rich.table import Table

from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract import NewAccount, Role
from cloud.store import COMMAND, StoredAccount, new_account_id, now

app = typer.Typer(no_args_is_help=True, help="Accounts: people who sign in.")


@app.command("add")
def add_account(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[Role, typer.Option(help="The person's role.")],
    gate: Annotated[str | None, typer.Option(help="Bind the account to this gate alone.")] = None,
    generate: Annotated[
        bool,
        typer.Option(
            "--generate", help="Make a password and show it once, instead of asking for one."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account for a person. The password is asked for, or made with --generate."""
    from cloud import passwords  # noqa: PLC0415

    new = console.valid(lambda: NewAccount(name=name, role=role, gate=gate))
    if generate:
        password = passwords.generated()
    else:
        password = typer.prompt(f"Password for {new.name}", hide_input=True, err=True)
        again = typer.prompt("Once more", hide_input=True, err=True)
        if password != again:
            console.refuse("the two passwords differ; no account was made")
    with console.store() as store:
        if gate is not None and store.gates.get(gate) is None:
            console.no_gate(gate)
        passwords.check(password, new.name)
        account = StoredAccount(
            id=new_account_id(),
            name=new.name,
            role=new.role,
            gate=new.gate,
            created_at=now(),
            password_hash=passwords.hashed(password),
        )
        if not store.accounts.add(account):
            console.refuse(f"there is an account {new.name} already")
        subject = f"account:{account.name}"
        store.audit.record(
            actor=COMMAND, act="account.created", subject=subject, now=now(), gate=account.gate
        )
    if as_json:
        shown = account.shown().model_dump(mode="json")
        print(json.dumps({**shown, "password": password if generate else None}))
        return
    said = f"made account {account.id}: {account.name}, {account.role.value}"
    secret = f"\nKeep this password safe, it is not shown again:\n{password}" if generate else ""
    console.output.print(said + secret, markup=False, highlight=False, soft_wrap=True)


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List accounts."""
    with console.store() as store:
        held = [account.shown() for account in store.accounts.all()]
    if as_json:
        print(json.dumps([account.model_dump(mode="json") for account in held]))
        return
    table = Table("id", "name", "role", "gate", "made")
    for account in held:
        made = account.created_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(account.id, account.name, account.role.value, account.gate or "all", made)
    console.output.print(table)


@app.command("remove")
def remove_account(name: Annotated[str, typer.Argument(help="The account's name.")]) -> None:
    """Remove an account, and end all of its sessions at once."""
    with console.store() as store:
        account = store.accounts.named(name)
        if account is None:
            console.refuse(f"there is no account {name}")
        store.accounts.remove(account.id)
        store.sessions.end_all(account.id)
        subject = f"account:{account.name}"
        store.audit.record(actor=COMMAND, act="account.deleted", subject=subject, now=now())
    console.output.print(f"removed {account.name}", markup=False, highlight=False)
