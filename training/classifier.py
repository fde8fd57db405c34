"""The mask classifier: a small MobileNetV2 (Sandler et al., 2018) for face crops of about 100
pixels.
"""

import torch
from torch import nn

# Expansion, channels at width 1, repeats, stride: the paper's table 2, with fewer repeats and no
# 320-channel stage.
_STAGES = (
    (1, 16, 1, 1),
    (4, 24, 2, 2),
    (4, 32, 3, 2),
    (4, 64, 3, 2),
    (4, 96, 2, 1),
    (4, 160, 2, 2),
)


def convolution(
    inside: int, outside: int, kernel: int, stride: int, *, groups: int = 1, active: bool = True
) -> list[nn.Module]:
    """Convolution, batch normalisation and, where `active`, ReLU6."""
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
    ]
    return [*layers, nn.ReLU6(inplace=True)] if active else layers


class InvertedResidual(nn.Module):
    """Widen, filter by depth, narrow; short cut where the shape allows."""

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
        """[B, inside, H, W] → [B, outside, H / stride, W / stride]."""
        out: torch.Tensor = self.body(features)
        return features + out if self.short else out


class CropClassifier(nn.Module):
    """What looks at a face crop: normalised f32 [B, 3, H, W] → logits [B, classes]."""

    def both_ways(self, crops: torch.Tensor) -> torch.Tensor:
        """The mean of a crop's logits and its mirror image's: a face has no handedness, and two
        looks err less than one. What is measured and what is exported.
        """
        logits: torch.Tensor = (self(crops) + self(crops.flip(3))) / 2
        return logits


class MaskClassifier(CropClassifier):
    """Face crop → logits of LABELS."""

    def __init__(self, width: float = 0.5, classes: int = 3) -> None:
        super().__init__()
        inside = 16
        layers: list[nn.Module] = convolution(3, inside, 3, 2)
        for expansion, channels, repeats, stride in _STAGES:
            outside = max(8, int(channels * width + 4) // 8 * 8)
            for repeat in range(repeats):
                layers.append(
                    InvertedResidual(inside, outside, stride if repeat == 0 else 1, expansion)
                )
                inside = outside
        last = int(512 * max(0.5, width))
        self.features = nn.Sequential(*layers, *convolution(inside, last, 1, 1))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """f32 [B, 3, H, W], normalised → logits [B, classes]."""
        logits: torch.Tensor = self.head(self.features(crops).mean((2, 3)))
        return logits
