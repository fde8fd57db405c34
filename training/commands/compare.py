"""`python -m training compare`: trained classifiers in one table."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import Prepared, TemplateData, templates_of
from training.measuring.classifier_comparison import compare_classifiers


def compare_command(
    *,
    runs: Annotated[list[Path], typer.Argument(help="Folders of trained mask classifiers.")],
    data: TemplateData = None,
    prepared: Prepared = Path("var/training/prepared"),
    out: Annotated[
        Path, typer.Option(help="File for the figures; the plot is written beside it.")
    ] = Path("var/training/compare.json"),
) -> None:
    """Compare trained classifiers in one table.

    The table shows parameters, multiplications, milliseconds for a crop, F1, false admits and
    false refusals. The figures are also written as JSON, with a plot of accuracy over speed.
    """
    compare_classifiers(runs, prepared, templates_of(prepared, data), out, Console())
