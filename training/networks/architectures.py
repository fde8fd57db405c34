"""The architectures of the mask classifier: ours, and two that ours is compared with.

All go through the same training, evaluation and export. The configuration in a checkpoint names
the architecture.
"""

from dataclasses import replace

import torch
from torch import nn

from training.errors import UnknownArchitectureError
from training.networks.checkpoint import CLASSIFIER, Configuration
from training.networks.classifier import (
    CropClassifier,
    InvertedResidual,
    MaskClassifier,
    convolution,
)
from training.records.record import LABELS

# Expansion, channels, repeats, stride of the first: table 2 of Sandler et al., MobileNetV2, 2018.
_MOBILENETV2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(CropClassifier):
    """MobileNetV2 at width 1 (Sandler et al., 2018, table 2), from scratch: 2.2 M parameters."""

    def __init__(self, classes: int = len(LABELS)) -> None:
        super().__init__()
        inside = 32
        layers: list[nn.Module] = convolution(3, inside, 3, 2)
        for expansion, outside, repeats, stride in _MOBILENETV2:
            for repeat in range(repeats):
                layers.append(
                    InvertedResidual(inside, outside, stride if repeat == 0 else 1, expansion)
                )
                inside = outside
        self.features = nn.Sequential(*layers, *convolution(inside, 1280, 1, 1))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Classify crops.

        Args:
            crops: f32 [B, 3, H, W], normalised.

        Returns:
            Logits [B, classes].
        """
        logits: torch.Tensor = self.head(self.features(crops).mean((2, 3)))
        return logits


class SmallCnn(CropClassifier):
    """Four convolutions, each followed by pooling, and two dense layers.

    Student projects on mask detection train this network; it comes from the Keras tutorials.

    Args:
        size: Side of a crop in pixels, a multiple of 16; crops of another size do not fit.
        classes: Number of labels.
    """

    def __init__(self, size: int, classes: int = len(LABELS)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 3
        for outside in (32, 64, 128, 128):
            layers += [
                nn.Conv2d(inside, outside, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
            inside = outside
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(inside * (size // 16) ** 2, 128),
            nn.ReLU(inplace=True),
            nn.Linear(128, classes),
        )

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Classify crops.

        Args:
            crops: f32 [B, 3, size, size], normalised.

        Returns:
            Logits [B, classes].
        """
        logits: torch.Tensor = self.head(self.features(crops).flatten(1))
        return logits


ARCHITECTURES: dict[str, Configuration] = {
    "ours": CLASSIFIER,
    "mobilenetv2": replace(CLASSIFIER, architecture="mobilenetv2", width=1.0),
    # It has no batch normalisation: at a higher rate its activations die.
    "small-cnn": replace(CLASSIFIER, architecture="small-cnn", width=1.0, rate=5e-4),
}


def configuration_of(architecture: str) -> Configuration:
    """Look up the configuration that an architecture is trained with by default.

    Args:
        architecture: Its name, a key of `ARCHITECTURES`.

    Returns:
        The configuration.

    Raises:
        UnknownArchitectureError: There is no such architecture.
    """
    if architecture not in ARCHITECTURES:
        raise UnknownArchitectureError(
            f"architecture {architecture!r} is unknown; take one of {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[architecture]


def built(configuration: Configuration, classes: int = len(LABELS)) -> CropClassifier:
    """Build the classifier that a configuration describes, with random weights.

    Args:
        configuration: What the classifier is.
        classes: Number of labels.

    Returns:
        The classifier.

    Raises:
        UnknownArchitectureError: There is no such architecture.
    """
    configuration_of(configuration.architecture)
    if configuration.architecture == "mobilenetv2":
        return MobileNetV2(classes)
    if configuration.architecture == "small-cnn":
        return SmallCnn(configuration.size, classes)
    return MaskClassifier(configuration.width, classes)
