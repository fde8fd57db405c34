"""`python -m training average`: one model of several checkpoints."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.averaging import average

console = Console()


def average_command(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(help="best.pt or last.pt of runs that began from one another."),
    ],
    run: Annotated[Path, typer.Option(help="Folder of the new run, for evaluate and export.")],
) -> None:
    """Average the weights of checkpoints that began from one another: one model that errs less.

    Evaluate it before it is shipped: checkpoints that were trained apart have no useful mean.
    """
    count = average(checkpoints, run)
    console.print(
        f"{run / 'best.pt'}: {count} weights, the mean of {len(checkpoints)}; next: python -m "
        f"training evaluate detector --run {run}",
        soft_wrap=True,
        highlight=False,
    )
