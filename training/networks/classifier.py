"""The mask classifier: a small residual network for face crops of about 100 pixels.

Its convolutions are dense for the detector's reasons.
"""

import torch
from torch import nn
from torch.nn import functional


def convolution(
    inside: int, outside: int, kernel: int, stride: int, *, groups: int = 1, active: bool = True
) -> list[nn.Module]:
    """Return convolution, batch normalisation and, where `active`, ReLU6."""
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
    ]
    return [*layers, nn.ReLU6(inplace=True)] if active else layers


class InvertedResidual(nn.Module):
    """MobileNetV2's block: a wide depthwise convolution between two 1x1 ones, with a short cut.

    Args:
        inside: Channels of the input.
        outside: Channels of the output.
        stride: Stride of the depthwise convolution; with 1 and equal channels there is a short cut.
        expansion: How much wider the middle is than the input.
    """

    def __init__(self, inside: int, outside: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inside * expansion
        widen = convolution(inside, hidden, 1, 1) if expansion > 1 else []
        filtered = convolution(hidden, hidden, 3, stride, groups=hidden)
        self.body = nn.Sequential(
            *widen, *filtered, *convolution(hidden, outside, 1, 1, active=False)
        )
        self.short = stride == 1 and inside == outside

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features [B, outside, H / stride, W / stride] for features [B, inside, H, W]."""
        out: torch.Tensor = self.body(features)
        return features + out if self.short else out


class Residual(nn.Module):
    """Two 3x3 convolutions with a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(width, width, 3, 1), *convolution(width, width, 3, 1, active=False)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape, [B, width, H, W]."""
        return functional.relu(features + self.body(features))


class CropClassifier(nn.Module):
    """The base class of the classifiers: normalised crops [B, 3, H, W] → logits [B, classes]."""

    def both_ways(self, crops: torch.Tensor) -> torch.Tensor:
        """Average the logits of each crop and of its mirror image.

        A face has no handedness, and the mean errs less than one look. Evaluation and export use
        this.

        Args:
            crops: f32 [B, 3, H, W], normalised.

        Returns:
            Logits [B, classes].
        """
        logits: torch.Tensor = (self(crops) + self(crops.flip(3))) / 2
        return logits


class MaskClassifier(CropClassifier):
    """A residual network (He et al., 2016) with few channels: face crops → logits of `LABELS`.

    Args:
        width: Multiplier of the channels: width 1 has 32, 64, 96 and 128 channels at a quarter to a
            thirty-second of the resolution.
        classes: Number of labels.
    """

    def __init__(self, width: float = 1.0, classes: int = 3) -> None:
        super().__init__()
        quarter, *deeper = (max(8, int(c * width + 4) // 8 * 8) for c in (32, 64, 96, 128))
        layers: list[nn.Module] = [
            *convolution(3, 16, 3, 2),
            *convolution(16, quarter, 3, 2),
            Residual(quarter),
        ]
        inside = quarter
        for outside, repeats in zip(deeper, (2, 2, 1), strict=True):
            layers += convolution(inside, outside, 3, 2)
            layers += [Residual(outside) for _ in range(repeats)]
            inside = outside
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(inside, classes))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Classify crops.

        Args:
            crops: f32 [B, 3, H, W], normalised.

        Returns:
            Logits [B, classes].
        """
        logits: torch.Tensor = self.head(self.features(crops).mean((2, 3)))
        return logits
