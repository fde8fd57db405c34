"""`python -m training watch`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.loop.watch import watch


def watch_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, as given to train with --run.")],
) -> None:
    """Show a run in the terminal while it trains: progress, losses, figures; ends with it."""
    watch(run, Console())
