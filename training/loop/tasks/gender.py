"""The gender head's task: a classifier of crops with two classes, judged by balanced accuracy."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.nn import functional

from training.loop.origin import Origin, begin
from training.loop.preview import SHOWN, preview_alone
from training.loop.run import Options, Run, Task, TrainingData
from training.loop.train import train
from training.networks.architectures import built
from training.networks.classifier import CropClassifier
from training.networks.logits import logits_of
from training.networks.normalisation import normalised
from training.records.pictures import Pixels
from training.samples.dataset import load_dataset
from training.samples.gender_crops import (
    GENDER_SET,
    GENDERS,
    GenderCrops,
    adults_of,
    held_out_adults,
)


def train_gender(prepared: Path, run: Run, options: Options, origin: Origin) -> Run:
    """Train the gender head on adult faces.

    Args:
        prepared: The folder that `prepare` wrote.
        run: How far the run is.
        options: How the run is carried out.
        origin: What the head begins from: a run, of a mask classifier too, gives its trunk alone.

    Returns:
        The run, as far as it came.

    Raises:
        DataError: The prepared pictures cannot be read.
        CheckpointError: `origin`, or the run that is resumed, has no fitting checkpoint.
        ModelError: `origin` has no fitting exported model.
        DivergedError: A loss is no number.
    """
    configuration = run.configuration
    size, margin = configuration.size, configuration.margin
    dataset = load_dataset(prepared, "train", None, GENDER_SET)

    def stream(seed: int, batch: int) -> GenderCrops:
        return GenderCrops(dataset, size, margin, batch, seed)

    def samples() -> list[tuple[Pixels, str]]:
        crops, labels = next(iter(stream(configuration.seed, SHOWN)))
        captions = [GENDERS[label] for label in labels.tolist()]
        return list(zip(crops.numpy(), captions, strict=True))

    if options.preview:
        return preview_alone(samples(), run, options)
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

    def pictures() -> Iterator[torch.Tensor]:
        return (normalised(crops) for crops, _ in stream(configuration.seed, configuration.batch))

    torch.manual_seed(configuration.seed)
    model = built(configuration, len(GENDERS))
    run.samples_before, run.began_from = begin(model, origin, configuration, pictures), origin.name
    adults = adults_of(dataset)
    numbers = Counter(GENDERS[adult.gender] for adult in adults)
    run.data = TrainingData({name: numbers[name] for name in GENDERS}, 0, len(dataset.records))
    options.announce(model, f"{len(adults)} adults", f"{len(crops)} adults")
    return train(model, stream, Task(losses, evaluate, "balanced_accuracy", samples), run, options)
