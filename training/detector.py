"""The face detector: anchor-free, depthwise, strides 8, 16 and 32, one small feature pyramid.

In the line of YOLOX (Ge et al., 2021: decoupled, anchor-free head) and YuNet (Wu et al., 2023:
depthwise all through).
"""

import torch
from torch import nn
from torch.nn import functional

STRIDES = (8, 16, 32)


def _convolution(
    inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside, eps=1e-3, momentum=0.03),
        nn.ReLU(inplace=True),
    )


class DepthwiseBlock(nn.Module):
    """Depthwise 3x3 then pointwise, with a short cut where the shape allows."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(inside, inside, 3, stride, inside), _convolution(inside, outside)
        )
        self.short = stride == 1 and inside == outside

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """[B, inside, H, W] → [B, outside, H / stride, W / stride]."""
        out: torch.Tensor = self.body(features)
        return features + out if self.short else out


class FaceDetector(nn.Module):
    """Picture → for each anchor point of the three strides: quality logit, and a box as offsets in
    strides.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        w = width
        # Full resolution is left at once: most of a small detector's time goes into its first
        # layers.
        self.stem = nn.Sequential(
            _convolution(3, 16, 3, 2), DepthwiseBlock(16, w // 2, 2), DepthwiseBlock(w // 2, w // 2)
        )
        self.stage8 = nn.Sequential(
            DepthwiseBlock(w // 2, w, 2), *(DepthwiseBlock(w, w) for _ in range(3))
        )
        self.stage16 = nn.Sequential(
            DepthwiseBlock(w, w * 3 // 2, 2),
            *(DepthwiseBlock(w * 3 // 2, w * 3 // 2) for _ in range(3)),
        )
        self.stage32 = nn.Sequential(
            DepthwiseBlock(w * 3 // 2, w * 2, 2), *(DepthwiseBlock(w * 2, w * 2) for _ in range(3))
        )
        self.lateral = nn.ModuleList([_convolution(c, w) for c in (w, w * 3 // 2, w * 2)])
        self.smooth = nn.ModuleList([DepthwiseBlock(w, w) for _ in STRIDES])
        self.heads = nn.ModuleList([DepthwiseBlock(w, w) for _ in STRIDES])
        self.quality = nn.ModuleList(
            [nn.Sequential(DepthwiseBlock(w, w), nn.Conv2d(w, 1, 1)) for _ in STRIDES]
        )
        self.box = nn.ModuleList(
            [nn.Sequential(DepthwiseBlock(w, w), nn.Conv2d(w, 4, 1)) for _ in STRIDES]
        )
        for branch in self.quality:
            last = branch[-1]  # type: ignore[index]
            # A prior of one in a hundred (Lin et al., Focal Loss, 2017, section 4.1).
            nn.init.constant_(last.bias, -4.6)
            nn.init.normal_(last.weight, std=0.01)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """f32 [B, 3, H, W], normalised, H and W multiples of 32 → logits [B, A] and raw boxes [B,
        A, 4].
        """
        c8 = self.stage8(self.stem(pictures))
        c16 = self.stage16(c8)
        c32 = self.stage32(c16)
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
            logits.append(self.quality[level](head).flatten(1))
            boxes.append(self.box[level](head).flatten(2).transpose(1, 2))
        return torch.cat(logits, 1), torch.cat(boxes, 1)


def anchor_points(height: int, width: int) -> torch.Tensor:
    """f32 [A, 3]: x and y of each cell's centre in pixels, and its stride, in the order of the
    detector's outputs.
    """
    points = []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        ys, xs = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres = torch.stack([xs.flatten() + 0.5, ys.flatten() + 0.5], -1) * stride
        points.append(torch.cat([centres, torch.full((rows * columns, 1), float(stride))], -1))
    return torch.cat(points)


def decode(raw: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Raw boxes [B, A, 4] → x0 y0 x1 y1 in pixels: the centre is moved by strides, the size is its
    exponential.
    """
    centre = anchors[:, :2] + raw[..., :2] * anchors[:, 2:]
    half = torch.exp(raw[..., 2:].clamp(max=5.0)) * anchors[:, 2:] * 1.5
    return torch.cat([centre - half, centre + half], -1)
