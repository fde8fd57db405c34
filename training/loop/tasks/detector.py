"""The face detector's task: its batches, its loss, and the figure that is to improve."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from training.errors import EmptyClassError
from training.graphs.dense_teacher import DenseTeacher, require_teacher
from training.loop.origin import Origin, begin
from training.loop.preview import draw_boxes, preview_alone
from training.loop.run import Options, Run, Task, TrainingData
from training.loop.train import train
from training.measuring.average_precision import face_ap
from training.networks.assignment import detection_loss
from training.networks.detection import detect
from training.networks.detector import RUNNING_SIZE, FaceDetector, anchor_points
from training.networks.normalisation import normalised
from training.records.pictures import Pixels
from training.samples.dataset import load_dataset
from training.samples.scenes import Batch, Scenes


def train_detector(
    prepared: Path,
    templates: Path | None,
    run: Run,
    options: Options,
    origin: Origin,
    *,
    teacher: Path | None = None,
) -> Run:
    """Train the face detector on all pictures with boxes and on a teacher's answers.

    Args:
        prepared: The folder that `prepare` wrote.
        templates: The folder of mask pictures; None draws no masks.
        run: How far the run is.
        options: How the run is carried out.
        origin: What the detector begins from.
        teacher: YuNet's ONNX file, which is asked about every scene; None trains on labels alone.

    Returns:
        The run, as far as it came.

    Raises:
        EmptyClassError: The validation split has no picture with boxes.
        MissingDataError: The prepared pictures, or the teacher's file, are not there.
        CheckpointError: `origin`, or the run that is resumed, has no fitting checkpoint.
        ModelError: `origin` has no fitting exported model.
        DivergedError: A loss is no number.
    """
    configuration = run.configuration
    dataset = load_dataset(prepared, "train", templates)

    def untaught() -> Scenes:
        # Without the teacher: OpenVINO's threads would not survive the workers' fork.
        return Scenes(dataset, configuration.size, configuration.batch, configuration.seed)

    def samples() -> list[tuple[Pixels, str]]:
        pictures, faces, ignored, *_ = next(iter(untaught()))
        shown = [np.ascontiguousarray(picture) for picture in pictures.numpy()]
        for picture, found, doubtful in zip(shown, faces.numpy(), ignored.numpy(), strict=True):
            draw_boxes(picture, found, (60, 200, 60))
            draw_boxes(picture, doubtful, (40, 160, 240))
        counts = [int((found[:, 2] > found[:, 0]).sum()) for found in faces.numpy()]
        return [(picture, f"{n} faces") for picture, n in zip(shown, counts, strict=True)]

    if options.preview:
        return preview_alone(samples(), run, options)
    held = load_dataset(prepared, "validation", None)
    judged = [
        i
        for i, r in enumerate(held.records)
        if r.boxed and r.set not in ("keypoints", "masked_people", "negatives", "portraits_cc_by")
    ]
    if not judged:
        raise EmptyClassError(
            f"{prepared}: no picture with boxes in the validation split; add pictures with "
            f"boxes and run prepare again"
        )
    if teacher:
        # The file is looked for here and not opened: OpenVINO's threads would not survive the fork
        # that starts the workers, so each worker opens the teacher itself.
        require_teacher(teacher)
    teaching = partial(DenseTeacher, teacher, configuration.size) if teacher else None
    anchors = anchor_points(configuration.size, configuration.size)

    def losses(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        pictures, faces, ignored, *lesson = batch
        logits, raw = model(normalised(pictures))
        with torch.autocast(logits.device.type, enabled=False):
            quality, box = detection_loss(
                logits.float(),
                raw.float(),
                anchors.to(logits.device),
                faces,
                ignored,
                taught=lesson[0] if lesson else None,
            )
        return {"quality_loss": quality, "box_loss": 2.0 * box}

    def evaluate(model: nn.Module) -> dict[str, float]:
        found = detect(cast(FaceDetector, model), [held.pictures[i] for i in judged], RUNNING_SIZE)
        return {"face_ap_50": face_ap(held, judged, found)}

    def stream(seed: int, batch: int) -> Scenes:
        return Scenes(dataset, configuration.size, batch, seed, teaching)

    def pictures() -> Iterator[torch.Tensor]:
        return (normalised(batch[0]) for batch in untaught())

    torch.manual_seed(configuration.seed)
    model = FaceDetector(int(configuration.width), configuration.depth)
    run.samples_before, run.began_from = begin(model, origin, configuration, pictures), origin.name
    faces = sum(not face.ignore for record in dataset.records for face in record.faces)
    run.data = TrainingData({"face": faces}, 0, len(dataset.records))
    options.announce(model, f"{len(dataset.records)} pictures", f"{len(judged)} pictures")
    return train(model, stream, Task(losses, evaluate, "face_ap_50", samples), run, options)
