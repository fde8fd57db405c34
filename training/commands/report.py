"""`python -m training report`: one page of what models can do."""

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
    out: Annotated[Path, typer.Option(help="Folder for report.html.")] = Path(
        "var/training/report"
    ),
    bench: Annotated[
        Path | None,
        typer.Option(help=f"File that `bench --json` wrote. Default: {_BENCH}, if it exists."),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help=f"File that `compare` wrote. Default: {_COMPARE}, if it exists."),
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(
            help="File of the model card (docs/models.md), whose measured part is written too."
        ),
    ] = None,
) -> None:
    """Write one HTML page of what models can do, and where they fail.

    The page holds curves, tables, ROC and precision-recall plots, examples, and the 20 worst
    failures.
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
