"""The mask classifier's task: what a batch is, what it costs, by which figure a model is judged."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from torch import nn
from torch.nn import functional

from training.architectures import built
from training.checkpoint import begin_from
from training.classifier import CropClassifier
from training.crops import Crops, Held, held_crops
from training.datasets import open_album
from training.measures import normalised
from training.suspects import Suspect, without
from training.train import Options, Run, Task, train


@torch.no_grad()
def logits_of(model: CropClassifier, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """f32 [N, 3] for crops u8 [N, S, S, 3]."""
    model.eval()
    device = next(model.parameters()).device
    parts = [
        model.both_ways(normalised(torch.from_numpy(crops[i : i + 128]).to(device))).cpu()
        for i in range(0, len(crops), 128)
    ]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def macro_f1(labels: NDArray[np.int64], guesses: NDArray[np.int64]) -> float:
    """F1 averaged over the classes that are there (scikit-learn)."""
    return float(
        f1_score(
            labels, guesses, labels=sorted(set(labels.tolist())), average="macro", zero_division=0
        )
    )


def real(held: Held) -> NDArray[np.bool_]:
    """Which crops show what a camera saw, and nothing that we drew; and, where others are there, no
    set of one class.
    """
    known = np.array([s in ("detection", "crops") for s in held.sets])
    return known if known.any() else np.array([s != "drawn" for s in held.sets])


def train_classifier(
    prepared: Path,
    templates: Path | None,
    run: Run,
    options: Options,
    origin: Path | None,
    *,
    suspects: Sequence[Suspect] = (),
) -> Run:
    """Train the mask classifier on labelled boxes, crops, and bare faces that are dressed on the
    way, but for the suspects among them.
    """
    configuration = run.configuration
    album = without(open_album(prepared, "train", templates), suspects)
    held = held_crops(
        open_album(prepared, "validation", templates), configuration.size, configuration.margin
    )
    genuine = real(held)

    def step(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        crops, labels = batch
        # About 8 % of the sets' labels are wrong: smoothing keeps the model from learning them by
        # heart.
        return {
            "entropy_loss": functional.cross_entropy(
                model(normalised(crops)).float(), labels, label_smoothing=0.06
            )
        }

    def judge(model: nn.Module) -> dict[str, float]:
        guesses = logits_of(cast(CropClassifier, model), held.crops).argmax(1)
        figures = {"macro_f1": macro_f1(held.labels[genuine], guesses[genuine])}
        pretended = np.array([s == "drawn" for s in held.sets])
        if pretended.any():
            figures["drawn_macro_f1"] = macro_f1(held.labels[pretended], guesses[pretended])
        return figures

    def stream(seed: int, batch: int) -> Crops:
        return Crops(album, configuration.size, configuration.margin, batch, seed)

    model = built(configuration)
    if origin:
        begin_from(model, origin)
    if options.place.first:
        options.console.print(
            f"{sum(p.numel() for p in model.parameters())} parameters, {len(album.records)} "
            f"pictures, judged on {len(held.labels)} faces"
        )
    return train(model, stream, Task(step, judge, "macro_f1"), run, options)
