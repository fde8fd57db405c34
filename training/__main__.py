"""`python -m training`: collect, prepare, train, evaluate, export."""

import sys

import typer
from rich.console import Console

from training.commands import evaluate, train
from training.commands.average import average_command
from training.commands.bench import bench
from training.commands.collect import collect
from training.commands.compare import compare_command
from training.commands.export import export
from training.commands.prepare import prepare
from training.commands.report import report_command
from training.commands.suspects import suspects_command
from training.commands.watch import watch_command
from training.errors import TrainingError
from training.loop.allocator import keep_freed_memory

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, rich_markup_mode="rich")


@app.callback()
def training() -> None:
    """From pictures to a model at the edge: collect, prepare, train, evaluate, export."""


app.command()(collect)


app.command()(prepare)
app.add_typer(train.app, name="train")
app.command("suspects")(suspects_command)
app.command("average")(average_command)
app.command("watch")(watch_command)
app.command("report")(report_command)
app.command("compare")(compare_command)
app.command("bench")(bench)
app.add_typer(evaluate.app, name="evaluate")


app.command("export")(export)


def main() -> None:
    """Run a command; an error of training is one line on standard error, with exit code 1."""
    keep_freed_memory()
    try:
        app(standalone_mode=True)
    except TrainingError as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}:[/] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
