"""The gender head's task: a classifier of crops with two classes, judged by balanced accuracy."""

from collections import Counter
from pathlib import Path
from typing import cast

import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.nn import functional

from training.loop.run import Options, Run, Task, TrainingData
from training.loop.train import train
from training.networks.architectures import built
from training.networks.checkpoint import begin_trunk_from
from training.networks.classifier import CropClassifier
from training.networks.logits import logits_of
from training.networks.normalisation import normalised
from training.samples.dataset import load_dataset
from training.samples.gender_crops import (
    GENDER_SET,
    GENDERS,
    GenderCrops,
    adults_of,
    held_out_adults,
)


def train_gender(prepared: Path, run: Run, options: Options, origin: Path | None) -> Run:
    """Train the gender head on adult faces.

    Args:
        prepared: The folder that `prepare` wrote.
        run: How far the run is.
        options: How the run is carried out.
        origin: A mask classifier's run, whose trunk the head begins with; None begins with random
            weights.

    Returns:
        The run, as far as it came.

    Raises:
        DataError: The prepared pictures cannot be read.
        CheckpointError: `origin`, or the run that is resumed, has no fitting checkpoint.
        DivergedError: A loss is no number.
    """
    configuration = run.configuration
    size, margin = configuration.size, configuration.margin
    dataset = load_dataset(prepared, "train", None, GENDER_SET)
    held = load_dataset(prepared, "validation", None, GENDER_SET)
    crops, genders = held_out_adults(held, adults_of(held), size, margin)

    def losses(
        model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        pictures, labels = batch
        logits = model(normalised(pictures)).float()
        return {"entropy_loss": functional.cross_entropy(logits, labels, label_smoothing=0.05)}

    def evaluate(model: nn.Module) -> dict[str, float]:
        guesses = logits_of(cast(CropClassifier, model), crops).argmax(1)
        return {"balanced_accuracy": float(balanced_accuracy_score(genders, guesses))}

    def stream(seed: int, batch: int) -> GenderCrops:
        return GenderCrops(dataset, size, margin, batch, seed)

    model = built(configuration, len(GENDERS))
    if origin:
        run.samples_before, run.began_from = begin_trunk_from(model, origin), str(origin)
    adults = adults_of(dataset)
    numbers = Counter(GENDERS[adult.gender] for adult in adults)
    run.data = TrainingData({name: numbers[name] for name in GENDERS}, 0, len(dataset.records))
    options.announce(model, f"{len(adults)} adults", f"{len(crops)} adults")
    return train(model, stream, Task(losses, evaluate, "balanced_accuracy"), run, options)
