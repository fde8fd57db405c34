"""`python -m training bench`: ours and the peers' released models, side by side."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import Installed, JsonFile, LeastSide, Prepared
from training.graphs.installed import MODELS
from training.measuring.bench import run_bench
from training.measuring.evaluation_set import open_evaluation_set
from training.storage import write_json


def bench(
    *,
    peers: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the peers' files: aizoo_ssd260.pb, yunet_n_*.onnx, ultralight_*.onnx, "
            "escvm_mobilenetv2_mask_int8.tflite. A row whose file is missing says so."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Pictures with boxes (COCO, VOC, YOLO) instead of the validation split."),
    ] = None,
    prepared: Prepared = Path("var/training/prepared"),
    models: Installed = MODELS,
    threads: Annotated[
        int, typer.Option(help="CPU threads, the same for every system.", min=1)
    ] = os.cpu_count() or 1,
    least_side: LeastSide = 32,
    rounds: Annotated[
        int, typer.Option(help="Turns of five frames for each system; 0 times nothing.", min=0)
    ] = 20,
    json_file: JsonFile = None,
) -> None:
    """Compare: face AP, recall, right verdicts, false admits and refusals with 95 % intervals, and
    the time from a 640x480 frame to labels.
    """
    comparison = run_bench(
        open_evaluation_set(prepared, data),
        models,
        peers,
        threads=threads,
        least=least_side,
        rounds=rounds,
    )
    for table in comparison.as_tables():
        Console().print(table)
    for line in comparison.absent():
        Console().print(f"[yellow]{line}", highlight=False, soft_wrap=True)
    if json_file is not None:
        write_json(comparison.as_json(), json_file)
        typer.echo(f"written to {json_file}")
