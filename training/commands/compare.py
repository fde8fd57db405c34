"""`python -m training compare`."""

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
        Path, typer.Option(help="Where the figures are written; the picture stands beside it.")
    ] = Path("var/training/compare.json"),
) -> None:
    """Several classifiers in one table: parameters, multiplications, ms a crop, F1, false admits
    and refusals; JSON and a picture of accuracy against speed.
    """
    compare_classifiers(runs, prepared, templates_of(prepared, data), out, Console())
