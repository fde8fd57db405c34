"""`export --onnx`: each exported model as ONNX, too, compared with its IR."""

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from training.graphs.model_files import rows_of, sample_pictures
from training.graphs.onnx_files import write_onnx
from training.measuring.trained_models import open_classifier, open_detector, open_gender
from training.networks.architectures import built
from training.networks.checkpoint import CLASSIFIER, DETECTOR, GENDER
from training.networks.classifier import CropClassifier
from training.networks.detector import FaceDetector
from training.records.pictures import Pixels
from training.samples.gender_crops import GENDERS

NetworkModule = FaceDetector | CropClassifier

_TRAINED: Mapping[str, Callable[[Path], NetworkModule]] = {
    "detector": lambda run: open_detector(run).model,
    "classifier": lambda run: open_classifier(run).model,
    "gender": lambda run: open_gender(run).model,
}
_SHIPPED: Mapping[str, Callable[[], NetworkModule]] = {
    "detector": lambda: FaceDetector(int(DETECTOR.width), DETECTOR.depth),
    "classifier": lambda: built(CLASSIFIER),
    "gender": lambda: built(GENDER, len(GENDERS)),
}
"""Networks of the architectures of the models that come with the edge."""


def add_onnx(
    folder: Path, runs: Mapping[str, Path | None], pictures: list[Pixels], console: Console
) -> None:
    """Write an ONNX file beside each model in 16 bits of a folder.

    Args:
        folder: Where the models are installed.
        runs: The run that a model of each role was exported from; None for a model that was there
            before, and then has the architecture of the one that comes with the edge.
        pictures: BGR u8 with faces, on which ONNX and IR are compared, beside made-up pictures.
        console: Shows the comparison.

    Raises:
        CheckpointError: A run has no such model.
        ExportError: An ONNX file gives other answers than the IR.
        UnfitModelError: A model that was there before is of another architecture.
    """
    for row in rows_of(folder):
        if row["precision"] != "FP16":
            continue
        role, run = row["role"], runs.get(row["role"])
        network = _TRAINED[role](run) if run is not None else _SHIPPED[role]()
        worst = write_onnx(folder, row, network, [*sample_pictures(), *pictures])
        console.print(f"{row['name']}.onnx: IR and ONNX differ by {worst:.6f} at most")
