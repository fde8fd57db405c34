"""Run a face detector on pictures, prepared as the edge prepares them for the exported model."""

from collections.abc import Sequence

import numpy as np
import torch

from training.boxes.blending import BLEND, Blend
from training.boxes.detections import Detections, suppress
from training.boxes.resizing import canvas, letterboxed
from training.networks.detector import MULTIPLE, FaceDetector, anchor_points, decode
from training.networks.normalisation import normalised
from training.records.pictures import Pixels

FAINTEST = 0.02
"""Least score of the detections that average precision is computed of."""

OVERLAP = 0.45
"""IoU over which the edge takes two boxes for one face."""

_TOGETHER = 16
"""The most pictures of one shape in a batch."""


@torch.no_grad()
def detect(
    model: FaceDetector,
    pictures: Sequence[Pixels],
    size: int,
    least: float = FAINTEST,
    overlap: float = OVERLAP,
    *,
    blend: Blend | None = BLEND,
    threshold: float = 1.0,
) -> list[Detections]:
    """Find the faces of some pictures.

    Each picture is resized so that its longer side is `size`, and its shorter side is filled up to
    a multiple of 32, as in the exported graph. Pictures of one shape go through the network
    together.

    Args:
        model: The detector; it is set to evaluation mode.
        pictures: BGR u8 [H, W, 3], of any sizes.
        size: Longer side in pixels that the network sees.
        least: Score under which detections are left out.
        overlap: IoU over which two boxes are one face.
        blend: How the boxes of one face are averaged; None keeps the best box.
        threshold: Score from which a box is a face, 0…1: a face has one such box, as at the edge.

    Returns:
        The detections of each picture, in its pixels.
    """
    model.eval()
    device = next(model.parameters()).device
    of_shape: dict[tuple[int, int], list[int]] = {}
    for place, picture in enumerate(pictures):
        shape = canvas(picture.shape[0], picture.shape[1], size, MULTIPLE)
        of_shape.setdefault(shape, []).append(place)
    found: dict[int, Detections] = {}
    for shape, places in of_shape.items():
        anchors = anchor_points(*shape)
        for start in range(0, len(places), _TOGETHER):
            batch = places[start : start + _TOGETHER]
            boxed = [letterboxed(pictures[place], size, MULTIPLE) for place in batch]
            seen = torch.from_numpy(np.stack([filled for filled, _ in boxed]))
            logits, raw = model(normalised(seen.to(device)))
            scores, boxes = logits.cpu().sigmoid().numpy(), decode(raw.cpu(), anchors).numpy()
            for place, (_, factors), s, b in zip(batch, boxed, scores, boxes, strict=True):
                height, width = pictures[place].shape[:2]
                # The exported graph cuts boxes off at the picture's border, too.
                pixels = np.clip(b * np.tile(factors, 2), 0, (width, height) * 2)
                # Most of the thousands of anchor points have scores that nothing below needs.
                floor = min(least, blend.score) if blend else least
                real = (s >= floor) & (pixels[:, 2:] > pixels[:, :2]).all(1)
                sure = pixels[real].astype(np.float32)
                found[place] = suppress(sure, s[real], least, overlap, blend, threshold=threshold)
    return [found[place] for place in range(len(pictures))]
