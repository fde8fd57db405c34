"""`python -m training average`: one model made of several checkpoints."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import Prepared, TemplateData, templates_of
from training.loop.batch_norm import training_batches, with_new_statistics
from training.networks.checkpoint import Configuration
from training.networks.checkpoint_average import Weights, average_checkpoints

console = Console()


def average_command(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(help="Files best.pt or last.pt, of runs that began from one another."),
    ],
    run: Annotated[Path, typer.Option(help="Folder of the new run, for `evaluate` and `export`.")],
    *,
    renew_statistics: Annotated[
        bool,
        typer.Option(
            help="Measure the statistics of batch normalisation anew, on training samples of "
            "--prepared, instead of averaging them."
        ),
    ] = False,
    batches: Annotated[
        int, typer.Option(min=1, help="Number of batches for the statistics.")
    ] = 100,
    prepared: Prepared = Path("var/training/prepared"),
    data: TemplateData = None,
) -> None:
    """Average the weights of checkpoints into one model, which makes fewer errors.

    The checkpoints must have begun from one another. The mean of checkpoints that were trained
    apart is useless: evaluate the new model before you ship it.
    """

    def renew(weights: Weights, configuration: Configuration) -> Weights:
        samples = training_batches(configuration, prepared, templates_of(prepared, data))
        return with_new_statistics(weights, configuration, samples, batches, console)

    count = average_checkpoints(checkpoints, run, renew if renew_statistics else None)
    console.print(
        f"{run / 'best.pt'}: {count} weights, the mean of {len(checkpoints)}; next: python -m "
        f"training evaluate detector --run {run}",
        soft_wrap=True,
        highlight=False,
    )
