"""The face detector: anchor-free, strides 8, 16 and 32, one small feature pyramid.

The head follows YOLOX (Ge et al., 2021: anchor-free). Unlike YOLOX's small models it has dense 3x3
convolutions with few channels instead of depthwise ones: at this size dense ones train two to three
times as fast on a CPU and run about as fast.
"""

import torch
from torch import nn
from torch.nn import functional

STRIDES = (8, 16, 32)

MULTIPLE = max(STRIDES)
"""Both sides of the network's input are multiples of its coarsest stride, in pixels."""


def _convolution(
    inside: int, outside: int, kernel: int = 1, stride: int = 1, *, active: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outside, eps=1e-3, momentum=0.03),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if active else []))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a short cut (He et al., 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width, 3), _convolution(width, width, 3, active=False)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape, [B, width, H, W]."""
        return functional.relu(features + self.body(features))


class Deepening(nn.Module):
    """Convolutions with a short cut that change nothing until they are trained.

    The last normalisation begins with a scale of 0 (Goyal et al., Accurate, Large Minibatch SGD,
    2017, section 5.1), so a trained network answers as before when these blocks are added.

    Args:
        width: Channels.
        convolutions: Number of 3x3 convolutions.
    """

    def __init__(self, width: int, convolutions: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(
                _convolution(width, width, 3, active=i + 1 < convolutions)
                for i in range(convolutions)
            )
        )
        last = self.body[-1][-1]  # type: ignore[index]
        nn.init.zeros_(last.weight)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape; [B, width, H, W], none negative."""
        return functional.relu(features + self.body(features))


class FaceDetector(nn.Module):
    """The detector's network.

    Args:
        width: Channels of the feature pyramid.
        depth: Residual blocks that each stage has beyond the smallest network's. From 1 on, the two
            branches of the heads have a convolution each of their own (YOLOX's decoupled head).
    """

    def __init__(self, width: int = 48, depth: int = 0) -> None:
        super().__init__()
        w8, w16, w32 = width * 2 // 3, width * 4 // 3, width * 2
        # Patches of 4x4 (as in ConvNeXt, Liu et al., 2022): at full resolution a small detector
        # would spend most of its time.
        self.stem = nn.Sequential(
            nn.Conv2d(3, w8, 4, 4, bias=False),
            nn.BatchNorm2d(w8, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )
        self.stage8 = nn.Sequential(_convolution(w8, w8, 3, 2), ResidualBlock(w8))
        self.stage16 = nn.Sequential(
            _convolution(w8, w16, 3, 2), ResidualBlock(w16), ResidualBlock(w16)
        )
        self.stage32 = nn.Sequential(
            _convolution(w16, w32, 3, 2), ResidualBlock(w32), ResidualBlock(w32)
        )
        self.lateral = nn.ModuleList([_convolution(c, width) for c in (w8, w16, w32)])
        self.smooth = nn.ModuleList([_convolution(width, width, 3) for _ in STRIDES])
        self.heads = nn.ModuleList([_convolution(width, width, 3) for _ in STRIDES])
        self.quality = nn.ModuleList([nn.Conv2d(width, 1, 1) for _ in STRIDES])
        self.box = nn.ModuleList([nn.Conv2d(width, 4, 1) for _ in STRIDES])
        self.deeper = nn.ModuleDict()
        if depth:
            for name, channels in (("stage8", w8), ("stage16", w16), ("stage32", w32)):
                self.deeper[name] = nn.Sequential(*(Deepening(channels, 2) for _ in range(depth)))
            for name in ("quality", "box"):
                self.deeper[name] = nn.ModuleList([Deepening(width, 1) for _ in STRIDES])
        for branch in self.quality:
            # A prior probability of 0.01 (Lin et al., Focal Loss, 2017, section 4.1).
            nn.init.constant_(branch.bias, -4.6)  # type: ignore[arg-type]
            nn.init.normal_(branch.weight, std=0.01)  # type: ignore[arg-type]

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict a quality and a box for each anchor point of the three strides.

        Args:
            pictures: f32 [B, 3, H, W], normalised; H and W are multiples of 32.

        Returns:
            Quality logits [B, A], and boxes [B, A, 4] as offsets in strides (`decode`).
        """
        c8 = self._deepened("stage8", self.stage8(self.stem(pictures)))
        c16 = self._deepened("stage16", self.stage16(c8))
        c32 = self._deepened("stage32", self.stage32(c16))
        p32 = self.smooth[2](self.lateral[2](c32))
        p16 = self.smooth[1](
            self.lateral[1](c16) + functional.interpolate(p32, scale_factor=2.0, mode="nearest")
        )
        p8 = self.smooth[0](
            self.lateral[0](c8) + functional.interpolate(p16, scale_factor=2.0, mode="nearest")
        )
        logits, boxes = [], []
        for level, features in enumerate((p8, p16, p32)):
            head = self.heads[level](features)
            quality = self._deepened("quality", head, level)
            box = self._deepened("box", head, level)
            logits.append(self.quality[level](quality).flatten(1))
            boxes.append(self.box[level](box).flatten(2).transpose(1, 2))
        return torch.cat(logits, 1), torch.cat(boxes, 1)

    def _deepened(
        self, part: str, features: torch.Tensor, level: int | None = None
    ) -> torch.Tensor:
        if part not in self.deeper:
            return features
        more = self.deeper[part]
        deepened: torch.Tensor = (more if level is None else more[level])(features)  # type: ignore[index]
        return deepened


def anchor_points(height: int, width: int) -> torch.Tensor:
    """List the anchor points of a picture in the order of the detector's outputs.

    Args:
        height: Of the picture, in pixels, a multiple of 32.
        width: The same.

    Returns:
        f32 [A, 3]: x and y of each cell's centre and its stride, in pixels.
    """
    points = []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        ys, xs = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres = torch.stack([xs.flatten() + 0.5, ys.flatten() + 0.5], -1) * stride
        points.append(torch.cat([centres, torch.full((rows * columns, 1), float(stride))], -1))
    return torch.cat(points)


def decode(raw: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Turn the network's boxes into pixels.

    The first two numbers move the centre, in strides; the exponentials of the other two are the
    half sides, in 1.5 strides.

    Args:
        raw: Boxes as the network gives them [B, A, 4].
        anchors: What `anchor_points` returned [A, 3].

    Returns:
        x0 y0 x1 y1 in pixels [B, A, 4].
    """
    centre = anchors[:, :2] + raw[..., :2] * anchors[:, 2:]
    half = torch.exp(raw[..., 2:].clamp(max=5.0)) * anchors[:, 2:] * 1.5
    return torch.cat([centre - half, centre + half], -1)


RUNNING_SIZE = 352
"""Longer side in pixels of what the exported detector's network sees.

The first detector was trained at 256 px and found most at 352 px, where faces are as large as those
that it was trained on. Later detectors hardly depend on it. On faces of 32 px or more of the
validation split, seen as at the edge, one had AP .893, .907, .894 and .897 at 320, 352, 384 and
416 px; an average of three had .912, .914, .916 and .921, at up to 1.4 times the multiplications.
"""
