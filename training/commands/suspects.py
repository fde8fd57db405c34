"""`python -m training suspects`: labels that a trained classifier firmly contradicts."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from training.commands.options import ClassifierRun, Prepared
from training.figures.tables import warning_block
from training.measuring.suspects import FIRMLY, find_suspects
from training.samples.suspect_list import refuse_existing_list, write_suspects

console = Console()


def suspects_command(
    *,
    run: ClassifierRun = Path("var/training/classifier"),
    prepared: Prepared = Path("var/training/prepared"),
    firmly: Annotated[
        float,
        typer.Option(
            help="A face is suspected if its label gets less than this probability.",
            min=0,
            max=1,
        ),
    ] = FIRMLY,
) -> None:
    """Find labels of the training split that a trained classifier firmly contradicts.

    The list holds mostly wrong labels if the classifier is right about 95 % of the validation faces
    and has seen each training face four times; otherwise the command warns.

    Look at suspects.png, and delete the lines of suspects.jsonl whose labels are right. Then train
    without the other faces: python -m training train classifier --without RUN/suspects.jsonl
    """
    refuse_existing_list(run)
    found, crops, reasons = find_suspects(run, prepared, firmly)
    lines, sheet = write_suspects(found, crops, run)
    table = Table("labelled", "said", "faces", title=f"{len(found)} suspects")
    for (label, said), count in Counter((s.label, s.said) for s in found).most_common():
        table.add_row(label, said, str(count))
    console.print(table)
    if reasons:
        mend = "Expect hard faces rather than wrong labels: train longer, evaluate, and look again."
        console.print(warning_block("do not trust this list yet", [*reasons, mend]))
    console.print(
        f"sheet: {sheet}; list: {lines}; then: python -m training train classifier --without "
        f"{lines}",
        soft_wrap=True,
        highlight=False,
    )
