"""`python -m training watch`: a run on the terminal."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.loop.watch import watch


def watch_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, as given to `train` with --run.")],
) -> None:
    """Show a run on the terminal while it trains: progress, losses, figures. Ends with the run."""
    watch(run, Console())
