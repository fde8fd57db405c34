"""The mask classifier's task: its batches, its loss, and the figure that is to improve."""

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.figures.tables import warning_block
from training.loop.origin import Origin, begin
from training.loop.preview import SHOWN, preview_alone
from training.loop.run import Options, Run, Task, TrainingData
from training.loop.train import train
from training.measuring.classification_report import macro_f1
from training.measuring.shipped_comparison import count_labels, unknowns
from training.networks.architectures import built
from training.networks.classifier import CropClassifier
from training.networks.distillation import DISTILLATION, distillation_loss
from training.networks.logits import logits_of
from training.networks.normalisation import normalised
from training.records.pictures import Pixels
from training.records.record import LABELS
from training.samples.dataset import PictureDataset, load_dataset
from training.samples.mask_crops import MaskCrops, held_out_crops, real, samples_of
from training.samples.suspect_list import Suspect, without

_MEND = (
    "It may let these people in. Collect such pictures too (python -m training collect --label …), "
    "and run `prepare` and `train` again. `evaluate` shows the model beside the shipped one, and "
    "`export` refuses the model unless you accept the risk."
)


def training_data(dataset: PictureDataset) -> TrainingData:
    """Count the faces of each label that the classifier learns from."""
    found = samples_of(dataset)
    drawn = found.pop("drawn", [])
    labels = Counter(sample.label for samples in found.values() for sample in samples)
    faces = {name: labels[index] for index, name in enumerate(LABELS)}
    return TrainingData(faces, len(drawn), len(dataset.records))


def train_classifier(
    prepared: Path,
    templates: Path | None,
    run: Run,
    options: Options,
    origin: Origin,
    *,
    suspects: Sequence[Suspect] = (),
    distillation: float = DISTILLATION,
) -> Run:
    """Train the mask classifier on labelled boxes, crops, and bare faces with drawn masks.

    Args:
        prepared: The folder that `prepare` wrote.
        templates: The folder of mask pictures; None draws no masks.
        run: How far the run is.
        options: How the run is carried out.
        origin: What the classifier begins from.
        suspects: Faces that are left out of training.
        distillation: Weight of the loss that keeps the answers of an exported model that the
            classifier begins from; with 0 there is no such loss.

    Returns:
        The run, as far as it came.

    Raises:
        DataError: The prepared pictures cannot be read.
        CheckpointError: `origin`, or the run that is resumed, has no fitting checkpoint.
        ModelError: `origin` has no fitting exported model.
        DivergedError: A loss is no number.
    """
    configuration = run.configuration
    dataset = without(load_dataset(prepared, "train", templates), suspects)

    def stream(seed: int, batch: int) -> MaskCrops:
        return MaskCrops(dataset, configuration.size, configuration.margin, batch, seed)

    def samples() -> list[tuple[Pixels, str]]:
        crops, labels = next(iter(stream(configuration.seed, SHOWN)))
        captions = [LABELS[label] for label in labels.tolist()]
        return list(zip(crops.numpy(), captions, strict=True))

    if options.preview:
        return preview_alone(samples(), run, options)
    held = held_out_crops(
        load_dataset(prepared, "validation", templates), configuration.size, configuration.margin
    )
    genuine = real(held)

    def losses(
        model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        crops, labels = batch
        pictures = normalised(crops)
        logits = model(pictures).float()
        # About 8 % of the public sets' labels are wrong. Label smoothing keeps the model from
        # learning them by heart.
        parts = {"entropy_loss": functional.cross_entropy(logits, labels, label_smoothing=0.06)}
        if teacher is not None:
            with torch.no_grad():
                taught = teacher(pictures).float()
            parts["distillation_loss"] = distillation * distillation_loss(logits, taught)
        return parts

    def evaluate(model: nn.Module) -> dict[str, float]:
        guesses = logits_of(cast(CropClassifier, model), held.crops).argmax(1)
        figures = {"macro_f1": macro_f1(held.labels[genuine], guesses[genuine])}
        pretended = np.array([s == "drawn" for s in held.sets])
        if pretended.any():
            figures["drawn_macro_f1"] = macro_f1(held.labels[pretended], guesses[pretended])
        return figures

    def pictures() -> Iterator[torch.Tensor]:
        return (normalised(crops) for crops, _ in stream(configuration.seed, configuration.batch))

    torch.manual_seed(configuration.seed)
    model = built(configuration)
    run.samples_before, run.began_from = begin(model, origin, configuration, pictures), origin.name
    teacher: nn.Module | None = None
    if origin.exported and distillation:
        teacher = deepcopy(model).eval().requires_grad_(False).to(options.process.device)
    run.data = training_data(dataset)
    options.announce(model, f"{len(dataset.records)} pictures", f"{len(held.labels)} faces")
    unknown = unknowns(
        {"train": run.data.faces, "validation": count_labels(held.labels[genuine].tolist())}
    )
    _warn(unknown, options)
    done = train(model, stream, Task(losses, evaluate, "macro_f1", samples), run, options)
    _warn(unknown, options)
    return done


def _warn(unknown: Sequence[str], options: Options) -> None:
    """Say at the start and at the end which faces the model does not learn, or is not tested on."""
    if unknown and options.process.is_main:
        options.console.print(
            warning_block("this model will not be safe at a door", [*unknown, _MEND])
        )
