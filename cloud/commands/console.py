"""The console of the commands: settings, store, refusals and output."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn, TypeVar

import structlog
import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console

from cloud import logs, tracing
from cloud.errors import CloudError
from cloud.settings import Settings, load
from cloud.store import COMMAND, Store, now

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")]
M = TypeVar("M", bound=BaseModel)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
log = structlog.get_logger("cloud")
errors = Console(stderr=True)
output = Console()


def refuse(reason: str) -> NoReturn:
    """Print the reason, and end with status 2. A process that serves writes it to its log."""
    if logs.started():
        log.error("command_refused", problem=reason)
        raise typer.Exit(2)
    errors.print(f"[bold red]error:[/] {reason}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def settings() -> Settings:
    """Return the settings; refuse to go on where they are not usable."""
    try:
        return load()
    except ValidationError as error:
        faults = []
        for each in error.errors():
            field = "_".join(str(part) for part in each["loc"]).upper()
            faults.append(f"{'CLOUD_' + field + ': ' if field else ''}{each['msg']}")
        refuse("the settings are not usable\n  " + "\n  ".join(faults))
    except OSError as error:
        refuse(f"{error.filename} cannot be read: {error.strerror}; see CLOUD_SECRETS_DIR")


@contextmanager
def store() -> Iterator[Store]:
    """Open the store for the length of a `with`; an error of the cloud ends the command."""
    opened = Store.open(settings())
    try:
        yield opened
    except CloudError as error:
        refuse(str(error))
    finally:
        opened.close()


def traces(process: str) -> Callable[[], None]:
    """Start to send spans; return a function that sends the last ones."""
    try:
        return tracing.start(process)
    except CloudError as error:
        refuse(str(error))


def record(
    store: Store, act: str, subject: str, *, gate: str | None, reason: str = "", detail: str = ""
) -> None:
    """Write the act of a command into the audit trail."""
    store.audit.record(
        actor=COMMAND,
        act=act,
        subject=subject,
        gate=gate,
        reason=reason,
        detail=detail,
        now=now(),
    )


def no_gate(gate_id: str) -> NoReturn:
    """End the command: there is no such gate."""
    refuse(f"there is no gate {gate_id}; `python -m cloud gates list` shows all gates")


def show(model: BaseModel, as_json: bool, sentence: str) -> None:
    """Print a result, as JSON or as a sentence."""
    if as_json:
        print(model.model_dump_json())
    else:
        output.print(sentence, highlight=False, soft_wrap=True)


@contextmanager
def counting(doing: str) -> Iterator[Callable[[int], None]]:
    """Show the number of processed keys, on a terminal only."""
    with errors.status(doing) as status:
        yield lambda keys: status.update(f"{doing}: {keys:,} keys")


def expiry(when: str | None) -> dict[str, object]:
    """Return the fields of an expiry that a person typed: `30d`, or a moment in RFC 3339."""
    if when is None:
        return {}
    length = re.fullmatch(r"([0-9]{1,9})([smhdw])", when.strip())
    if length is None:
        return {"expires_at": when.strip()}
    return {"lifetime_s": int(length[1]) * SECONDS[length[2]]}


def valid(make: Callable[[], M]) -> M:
    """Return the model that `make` makes; end the command where a value is not valid."""
    try:
        return make()
    except ValidationError as error:
        each = error.errors()[0]
        refuse(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}")
