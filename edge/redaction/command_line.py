"""Keeps secrets out of what a command line shows: its arguments, usage errors and tracebacks."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, MutableMapping, Sequence
from types import TracebackType
from typing import Any

from typer.core import TyperGroup

from edge.redaction.addresses import redacted, redacted_in

_SOURCE = "--source"


class CommandLine(TyperGroup):
    """A Typer group that redacts its usage errors: they may quote an address with a password."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the group, as Typer does."""
        return list(_redacting_errors(lambda: super(CommandLine, self).parse_args(ctx, args)))

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand, as Typer does; its arguments are parsed here."""
        return _redacting_errors(lambda: super(CommandLine, self).invoke(ctx))


def _redacting_errors(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:
        # By its version Typer has its own copy of click or uses the installed one, so the class of
        # the error differs.
        message = getattr(error, "message", None)
        if isinstance(message, str):
            error.message = redacted_in(message)  # type: ignore[attr-defined]
        raise


def hide_source(
    arguments: Sequence[str],
    environment: MutableMapping[str, str],
    restart_process: Callable[[list[str]], None],
) -> None:
    """Move a source with a password from the arguments into the environment.

    Every user of the machine can read the arguments of a process, but only its own user can read
    its environment.

    Args:
        arguments: Those after `python -m edge`.
        environment: Gets the source as EDGE_SOURCE.
        restart_process: Is called with the other arguments if there was such a source; restarts
            this program with them.
    """
    kept: list[str] = []
    source: str | None = None
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, equals, value = argument.partition("=")
        if name != _SOURCE or not (equals or waiting):
            kept.append(argument)
            continue
        value = value if equals else waiting.pop(0)
        if redacted(value) == value:
            kept += [argument] if equals else [argument, value]
        else:
            source = value
    if source is not None:
        environment["EDGE_SOURCE"] = source
        restart_process(kept)


def restart_process(arguments: list[str]) -> None:
    """Restart this program with other arguments, under the same process id."""
    own = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    os.execv(sys.executable, [sys.executable, *own, *arguments])  # noqa: S606 - no shell


def redact_tracebacks(redact: Callable[[str], str]) -> None:
    """Redact the traceback of each uncaught exception, on every thread."""

    def show(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(redact(redacted_in(text)))

    sys.excepthook = show
    threading.excepthook = lambda args: show(args.exc_type, args.exc_value, args.exc_traceback)
