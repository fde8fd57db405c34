"""`python -m cloud …`: every process of the cloud, and the few things that are set up by hand.

A command imports what it alone needs when it runs: `keys` should not wait for Telegram's library.
"""

import typer

from cloud.commands import (
    accounts,
    contents,
    devices,
    enrolment_codes,
    gates,
    keys,
    pairing_codes,
    processes,
    redis,
    rehearsal,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""The cloud of Maskgate.

    First steps, in three terminals:

    1. `python -m cloud redis`

    2. `python -m cloud api`

    3. `python -m cloud worker`

    Then make a gate, a code for its camera and keys for people:

    `python -m cloud gates create main --name "Main entrance"`

    `python -m cloud enrolment-codes create main`

    `python -m cloud keys create "Front desk" --role operator`

    Settings come from the environment (CLOUD_…); docs/settings/cloud.md lists them.""",
)

app.command()(processes.api)
app.command()(processes.worker)
app.command()(processes.bot)
app.command("redis")(redis.serve)
app.command()(contents.purge)
app.command()(contents.backup)
app.command()(contents.restore)
app.command()(rehearsal.rehearse)
for name, noun in (
    ("keys", keys),
    ("accounts", accounts),
    ("gates", gates),
    ("enrolment-codes", enrolment_codes),
    ("pairing-codes", pairing_codes),
    ("devices", devices),
):
    app.add_typer(noun.app, name=name)

if __name__ == "__main__":
    app()
