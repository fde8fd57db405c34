"""What a command line would give away: arguments, the errors about them, and tracebacks."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, MutableMapping, Sequence
from types import TracebackType
from typing import Any

from typer.core import TyperGroup

from edge.addresses import redacted, redacted_in

_SOURCE = "--source"


class CommandLine(TyperGroup):
    """Commands whose usage errors show no password: a misplaced address is quoted in them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in Typer."""
        return list(_redacting_errors(lambda: super(CommandLine, self).parse_args(ctx, args)))

    def invoke(self, ctx: Any) -> Any:
        """As in Typer; the arguments of a subcommand are read here."""
        return _redacting_errors(lambda: super(CommandLine, self).invoke(ctx))


def _redacting_errors(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:
        # Typer brings its own copy of click, or uses the one beside it, as its version has it.
        message = getattr(error, "message", None)
        if isinstance(message, str):
            error.message = redacted_in(message)  # type: ignore[attr-defined]
        raise


def hide_source(
    arguments: Sequence[str],
    environment: MutableMapping[str, str],
    restart_process: Callable[[list[str]], None],
) -> None:
    """Take a source with a password out of the arguments, which every user of the machine can read.

    Args:
        arguments: Those after `python -m edge`.
        environment: Gets the source as EDGE_SOURCE; only this user can read it.
        restart_process: Is given the other arguments, and puts this process in its own place.
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
    """Run this program with other arguments, under the same process id."""
    own = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    os.execv(sys.executable, [sys.executable, *own, *arguments])  # noqa: S606 - no shell


def redact_tracebacks(redacted: Callable[[str], str]) -> None:
    """Print the traceback of what nobody caught, on any thread, without what is secret."""

    def show(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(redacted(redacted_in(text)))

    sys.excepthook = show
    threading.excepthook = lambda said: show(said.exc_type, said.exc_value, said.exc_traceback)
