"""The command line `python -m cloud …`: the processes of the cloud, and its administration.

A command imports its own libraries only when it runs: `keys` need not wait for Telegram's.
"""

import sys

import structlog
import typer

from cloud import logs
from cloud.commands import (
    accounts,
    contents,
    devices,
    enrolment_codes,
    gates,
    keys,
    models,
    pairing_codes,
    processes,
    redis,
    rehearsal,
    screens,
    signing_keys,
)

log = structlog.get_logger("cloud")

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
    ("models", models),
    ("screens", screens),
    ("signing-keys", signing_keys),
):
    app.add_typer(noun.app, name=name)

SERVES = frozenset({"api", "worker", "bot", "redis"})
"""Commands that run until they are stopped; their output is a log."""


def main() -> None:
    """Run the command line.

    A process that serves writes JSON only, errors of its settings and options too, unless a person
    reads them at a terminal.
    """
    arguments = sys.argv[1:]
    if not SERVES.intersection(arguments[:1]) or "--help" in arguments or sys.stderr.isatty():
        logs.start_for_person()
        app()
    logs.start_without_settings()
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            log.critical("uncaught_error", exc_info=error)
            code = 1
        else:  # an error of the command line: an unknown option, or a value that it refuses
            said = getattr(error, "format_message", error.__str__)()
            log.error("command_refused", problem=said)  # noqa: TRY400 (no traceback: the sentence is enough)
    sys.exit(code)


if __name__ == "__main__":
    main()
