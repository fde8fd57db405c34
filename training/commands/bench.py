"""`python -m training bench`: the installed models beside models that others released."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import Installed, JsonFile, LeastSide, Prepared
from training.graphs.installed import MODELS
from training.measuring.bench import run_bench
from training.measuring.evaluation_set import boxed_by_people, open_evaluation_set
from training.storage import write_json


def bench(
    *,
    peers: Annotated[
        Path | None,
        typer.Option(
            help="Folder of others' models: aizoo_ssd260.pb, yunet_n_*.onnx, ultralight_*.onnx, "
            "escvm_mobilenetv2_mask_int8.tflite. The table names a file that is missing."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of pictures with boxes (COCO, VOC or YOLO), instead of the validation "
            "split."
        ),
    ] = None,
    prepared: Prepared = Path("var/training/prepared"),
    models: Installed = MODELS,
    threads: Annotated[
        int, typer.Option(help="Number of CPU threads, the same for all models.", min=1)
    ] = os.cpu_count() or 1,
    least_side: LeastSide = 32,
    rounds: Annotated[
        int,
        typer.Option(
            help="Number of rounds in which each model is timed on five frames; 0 for none.", min=0
        ),
    ] = 20,
    json_file: JsonFile = None,
) -> None:
    """Compare the installed models with models that others released.

    The tables show face AP, recall, right verdicts, false admits and false refusals, each with a
    95 % interval, and the time from a 640x480 frame to its labels.
    """
    comparison = run_bench(
        open_evaluation_set(prepared, data, boxed_by_people),
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
