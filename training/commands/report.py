"""`python -m training report`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import Prepared
from training.shipping.report import write_report

_BENCH = Path("var/training/bench.json")
_COMPARE = Path("var/training/compare.json")


def report_command(
    *,
    runs: Annotated[list[Path], typer.Argument(help="Folders of trained and evaluated runs.")],
    prepared: Prepared = Path("var/training/prepared"),
    out: Annotated[Path, typer.Option(help="Where report.html is written.")] = Path(
        "var/training/report"
    ),
    bench: Annotated[
        Path | None,
        typer.Option(help=f"What `bench --peers --json` wrote. Default: {_BENCH}, if there."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help=f"What `compare` wrote. Default: {_COMPARE}, if there.")
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(help="Model card (docs/models.md) whose measured part is to be written, too."),
    ] = None,
) -> None:
    """One HTML page of what models can do and where they fail: curves, tables, ROC and PR,
    examples, the 20 worst failures.
    """
    write_report(
        runs,
        prepared,
        out,
        bench=bench or (_BENCH if _BENCH.is_file() else None),
        comparison=compare or (_COMPARE if _COMPARE.is_file() else None),
        card=card,
        console=Console(stderr=True),
    )
