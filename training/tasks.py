"""The two things that are trained: what a batch is, what it costs, and by which figure a model is
judged.
"""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from sklearn.metrics import f1_score
from torch import nn
from torch.nn import functional

from training.assignment import detection_loss
from training.checkpoint import Configuration, begin_from
from training.classifier import MaskClassifier
from training.crops import Crops, Held, held_crops
from training.datasets import open_album
from training.detector import FaceDetector, anchor_points
from training.errors import EmptyClassError
from training.measures import MEAN, SCALE, detect, face_ap
from training.scenes import Batch, Scenes
from training.train import Run, Task, train

RUNNING_SIZE = 352
"""Side of the square that the exported detector letterboxes to.

Trained at 256, it finds most at 352: AP .680 at 288, .718 at 320, .735 at 352, .718 at 384
(validation, faces of 32 px or more). The faces there are then as large as those it was trained on.
"""


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; where it does not, autocast only costs."""
    capabilities = torch.cpu.get_capabilities()
    return bool(
        capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16")
    )


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """u8 [B, H, W, 3] → f32 [B, 3, H, W], channels last in memory."""
    return ((pictures.permute(0, 3, 1, 2).float() - MEAN) / SCALE).contiguous(
        memory_format=torch.channels_last
    )


def train_detector(
    prepared: Path,
    templates: Path | None,
    run: Run,
    *,
    resume: bool,
    origin: Path | None,
    every: float,
    console: Console,
) -> Run:
    """Train the face detector on everything that `prepare` found boxes for."""
    configuration = run.configuration
    album = open_album(prepared, "train", templates)
    held = open_album(prepared, "validation", None)
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
    anchors = anchor_points(configuration.size, configuration.size)

    def step(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        pictures, faces, ignored = batch
        logits, raw = model(normalised(pictures))
        with torch.autocast("cpu", enabled=False):
            quality, box = detection_loss(logits.float(), raw.float(), anchors, faces, ignored)
        return {"quality_loss": quality, "box_loss": 2.0 * box}

    def judge(model: nn.Module) -> dict[str, float]:
        found = detect(cast(FaceDetector, model), [held.pictures[i] for i in judged], RUNNING_SIZE)
        return {"face_ap_50": face_ap(held, judged, found)}

    def stream(seed: int) -> Scenes:
        return Scenes(album, configuration.size, configuration.batch, seed)

    model = FaceDetector(int(configuration.width))
    if origin:
        begin_from(model, origin)
    console.print(
        f"{sum(p.numel() for p in model.parameters())} parameters, {len(album.records)} "
        f"pictures, judged on {len(judged)}"
    )
    return train(
        model,
        stream,
        Task(step, judge, "face_ap_50"),
        run,
        resume=resume,
        every=every,
        console=console,
        autocast=has_bfloat16(),
    )


@torch.no_grad()
def logits_of(model: MaskClassifier, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """f32 [N, 3] for crops u8 [N, S, S, 3]."""
    model.eval()
    parts = [
        model.both_ways(normalised(torch.from_numpy(crops[i : i + 128])))
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
    *,
    resume: bool,
    origin: Path | None,
    every: float,
    console: Console,
) -> Run:
    """Train the mask classifier on labelled boxes, crops, and bare faces that are dressed on the
    way.
    """
    configuration = run.configuration
    album = open_album(prepared, "train", templates)
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
        guesses = logits_of(cast(MaskClassifier, model), held.crops).argmax(1)
        figures = {"macro_f1": macro_f1(held.labels[genuine], guesses[genuine])}
        pretended = np.array([s == "drawn" for s in held.sets])
        if pretended.any():
            figures["drawn_macro_f1"] = macro_f1(held.labels[pretended], guesses[pretended])
        return figures

    def stream(seed: int) -> Crops:
        return Crops(album, configuration.size, configuration.margin, configuration.batch, seed)

    model = MaskClassifier(configuration.width)
    if origin:
        begin_from(model, origin)
    console.print(
        f"{sum(p.numel() for p in model.parameters())} parameters, {len(album.records)} "
        f"pictures, judged on {len(held.labels)} faces"
    )
    return train(
        model,
        stream,
        Task(step, judge, "macro_f1"),
        run,
        resume=resume,
        every=every,
        console=console,
        autocast=has_bfloat16(),
    )


def configured(base: Configuration, **changes: float | int | None) -> Configuration:
    """A configuration with the options that were given on the command line."""
    return replace(base, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]
