"""`compare`: several classifiers side by side.

Their sizes, their speed through OpenVINO in one process, and their figures on the test split,
or on validation where there is no test split.
"""

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from training.errors import ExportError, MissingRunError
from training.figures.plots import draw_speed
from training.figures.tables import plain, shown
from training.graphs.camera_graph import classifier_graph
from training.graphs.model_files import Exported, install, milliseconds
from training.measuring.evaluate_classifier import evaluate_classifier
from training.measuring.intervals import value_of
from training.measuring.trained_models import Trained, open_classifier
from training.networks.classifier import CropClassifier
from training.records.record import LABELS
from training.storage import write_json

FIGURES = (
    "macro_f1", "accuracy", "false_admit_without_mask", "false_admit_incorrect_mask",
    "false_refusal",
)  # fmt: skip
"""The figures that are taken from `evaluate classifier`."""

_ROUNDS, _RUNS = 3, 20


def parameters(model: torch.nn.Module) -> int:
    """Count the weights of a model."""
    return sum(p.numel() for p in model.parameters())


@torch.no_grad()
def multiplications(model: CropClassifier, size: int) -> int:
    """Count the multiply-accumulates for one crop, judged straight and mirrored as it is exported.

    Args:
        model: The classifier.
        size: Side of the crop in pixels.

    Returns:
        The number that torch counts: those of convolutions and dense layers.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        model.eval().both_ways(torch.zeros(1, 3, size, size))
    return int(counter.get_total_flops()) // 2


def latencies(trained: Mapping[str, Trained[CropClassifier]]) -> dict[str, float]:
    """Time each exported model on one crop of 128x128, on this machine's CPU.

    The models take turns, so that other load on the machine slows all of them alike.

    Args:
        trained: The classifiers by name.

    Returns:
        Milliseconds for a crop, by name.

    Raises:
        ExportError: There is no classifier.
    """
    times: dict[str, list[float]] = {name: [] for name in trained}
    with tempfile.TemporaryDirectory() as place:
        for number, one in enumerate(trained.values()):
            size = one.configuration.size
            row = Exported(
                "trial", "classifier", "0", size, LABELS,
                {"confidence": 0.5, "min_face_size": 24.0}, [], {},
            )  # fmt: skip
            install(classifier_graph(one.model, size, 1.0), row, Path(place) / str(number))
        for _ in range(_ROUNDS):
            for number, name in enumerate(trained):
                folder = Path(place) / str(number)
                times[name].append(milliseconds(folder, "trial", (1, 128, 128, 3), _RUNS))
    if not all(times.values()):
        raise ExportError("nothing was timed; name the runs to compare")
    return {name: statistics.median(mine) for name, mine in times.items()}


def _side_by_side(rows: list[dict[str, Any]], title: str) -> Table:
    """A table with a column for each run, which fits a terminal of 100 columns for three runs."""
    table = Table("", *(escape(row["run"]) for row in rows), title=title)
    for key in dict.fromkeys(k for row in rows for k in row if k not in ("run", "measured_on")):
        table.add_row(plain(key), *(shown(key, row.get(key)) for row in rows))
    return table


def compare_classifiers(
    runs: list[Path], prepared: Path, templates: Path | None, out: Path, console: Console
) -> list[dict[str, Any]]:
    """Measure each run's best classifier, print a table, and write JSON and a picture beside it.

    Args:
        runs: The runs' folders.
        prepared: The folder that `prepare` wrote.
        templates: The folder of mask pictures; None draws no masks.
        out: The JSON file.
        console: Shows the table.

    Returns:
        A row for each run.

    Raises:
        CheckpointError: A run has no classifier, or was not evaluated.
        DataError: The split cannot be read.
        MissingRunError: No run was named, or two have the same name.
    """
    names = [run.name for run in runs]
    if not runs or len(set(names)) < len(names):
        raise MissingRunError("name the folders of several runs, each with a name of its own")
    trained = {run.name: open_classifier(run) for run in runs}
    speed = latencies(trained)
    rows: list[dict[str, Any]] = []
    for run in track(runs, "judging picture by picture", console=console, transient=True):
        one = trained[run.name]
        figures = evaluate_classifier(run, prepared, None, templates)
        rows.append(
            {
                "run": run.name,
                "architecture": one.configuration.architecture,
                "input": one.configuration.size,
                "parameters": parameters(one.model),
                "multiplications": multiplications(one.model, one.configuration.size),
                "milliseconds": round(speed[run.name], 3),
                **{k: figures[k] for k in FIGURES if k in figures},
                **one.samples_figures,
                "measured_on": str(figures["measured_on"]),
            }
        )
    split = " and ".join(sorted({row["measured_on"] for row in rows}))
    console.print(_side_by_side(rows, f"on the {split}, thresholds as chosen"))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json({"crop": "128x128, judged straight and mirrored", "rows": rows}, out)
    drawn = out.with_suffix(".png")
    points = {r["run"]: (r["milliseconds"], value_of(r["macro_f1"])) for r in rows}
    draw_speed(points, drawn, f"macro F1 on the {split}")
    console.print(f"{out}, {drawn}")
    return rows
