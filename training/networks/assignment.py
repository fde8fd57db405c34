"""The detector's loss: which anchor points answer for which face, and what their answers cost.

Assignment is SimOTA (YOLOX), the box loss is GIoU, the quality loss is quality-weighted binary
cross-entropy.
"""

import torch
from torch.nn import functional

from training.networks.detector import decode

RADIUS = 1.5
"""Distance from a face's centre, in strides, within which an anchor may answer for the face,
whatever the face's size (FCOS, Tian et al., 2019; YOLOX).
"""

MOST_ANCHORS = 10
"""The most anchors that answer for one face (SimOTA's q)."""


def _pairwise_iou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """IoU of all pairs of boxes: [B, G, 4] and [B, A, 4] → [B, G, A]."""
    low = torch.maximum(first[:, :, None, :2], second[:, None, :, :2])
    high = torch.minimum(first[:, :, None, 2:], second[:, None, :, 2:])
    overlap = (high - low).clamp(min=0).prod(-1)
    area = (first[..., 2:] - first[..., :2]).prod(-1)[:, :, None] + (
        second[..., 2:] - second[..., :2]
    ).prod(-1)[:, None]
    return overlap / (area - overlap).clamp(min=1e-6)


def generalised_iou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Compute the GIoU of matching boxes (Rezatofighi et al., 2019).

    Args:
        first: Boxes x0 y0 x1 y1 [N, 4].
        second: The same number of boxes.

    Returns:
        GIoU [N], -1…1.
    """
    overlap = (
        (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2]))
        .clamp(min=0)
        .prod(-1)
    )
    union = (
        (first[:, 2:] - first[:, :2]).prod(-1) + (second[:, 2:] - second[:, :2]).prod(-1) - overlap
    )
    hull = (
        torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    ).prod(-1)
    return overlap / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


@torch.no_grad()
def assign(
    logits: torch.Tensor, boxes: torch.Tensor, anchors: torch.Tensor, faces: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Assign faces to anchors, for a whole batch at once (SimOTA; Ge et al., YOLOX, 2021).

    Args:
        logits: Quality logits [B, A].
        boxes: Predicted boxes in pixels [B, A, 4].
        anchors: Centre x, centre y and stride of each anchor, in pixels [A, 3].
        faces: Boxes in pixels [B, G, 4], padded with zeros.

    Returns:
        The index of the face for each anchor [B, A] (-1: background), and the IoU of the anchor's
        predicted box with that face [B, A].
    """
    real = (faces[..., 2] > faces[..., 0])[..., None]
    x, y, stride = anchors.unbind(-1)
    inside = (
        (x > faces[..., 0:1])
        & (x < faces[..., 2:3])
        & (y > faces[..., 1:2])
        & (y < faces[..., 3:4])
    )
    middle = (faces[..., :2] + faces[..., 2:]) / 2
    near = ((x - middle[..., 0:1]).abs() < RADIUS * stride) & (
        (y - middle[..., 1:2]).abs() < RADIUS * stride
    )
    allowed = (inside | near) & real
    iou = _pairwise_iou(faces, boxes) * allowed
    cost = -functional.logsigmoid(logits)[:, None] - 3 * torch.log(iou.clamp(min=1e-6))
    cost = cost + 20.0 * ~(inside & near)
    cost = cost.masked_fill(~allowed, torch.inf)
    wanted = iou.topk(MOST_ANCHORS, -1).values.sum(-1).int().clamp(min=1)  # [B, G]
    cheapest, where = cost.topk(MOST_ANCHORS, -1, largest=False)
    chosen = (
        torch.arange(MOST_ANCHORS, device=wanted.device) < wanted[..., None]
    ) & cheapest.isfinite()
    matched = torch.zeros_like(allowed).scatter_(-1, where, chosen)
    # An anchor that is assigned to several faces keeps the one with the lowest cost.
    cost = torch.where(matched, cost, torch.inf)
    best, face = cost.min(1)
    face = torch.where(best.isfinite(), face, -1)
    quality = iou.gather(1, face.clamp(min=0)[:, None]).squeeze(1) * (face >= 0)
    return face, quality


TAUGHT = 0.3
"""Teacher's score from which an anchor that no known face claims learns the teacher's box, too."""


def detection_loss(
    logits: torch.Tensor,
    raw: torch.Tensor,
    anchors: torch.Tensor,
    faces: torch.Tensor,
    ignored: torch.Tensor,
    *,
    taught: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the quality loss and the box loss, each per assigned anchor.

    The quality loss is that of Li et al. (Generalized Focal Loss, 2020) with beta 2; the box loss
    is 1 - GIoU. Where no known face claims an anchor, the teacher's score is its target instead of
    0 (Hinton et al., Distilling the Knowledge in a Neural Network, 2015), so that a face that
    nobody labelled does not count as background.

    Args:
        logits: Quality logits [B, A].
        raw: Boxes as the network gives them [B, A, 4].
        anchors: Centre x, centre y and stride of each anchor, in pixels [A, 3].
        faces: Labelled boxes in pixels [B, G, 4], padded with zeros.
        ignored: Regions in pixels [B, R, 4] in which an anchor without a face counts for nothing.
        taught: Scores and boxes of a teacher at the same anchors [B, A, 5]; None without a teacher.

    Returns:
        The quality loss and the box loss.
    """
    boxes = decode(raw, anchors)
    face, quality = assign(logits.detach(), boxes.detach(), anchors, faces)
    positive = face >= 0
    x, y, _ = anchors.unbind(-1)
    doubtful = (
        (x >= ignored[..., 0:1])
        & (x <= ignored[..., 2:3])
        & (y >= ignored[..., 1:2])
        & (y <= ignored[..., 3:4])
    ).any(1) & ~positive
    target = faces.gather(1, face.clamp(min=0)[..., None].expand(-1, -1, 4))
    weight = positive.float()
    if taught is not None:
        score = taught[..., 0] * ~positive
        soft = score >= TAUGHT
        doubtful = doubtful & ~soft
        quality = torch.where(positive, quality, score)
        # Where the teacher's box is that of a labelled face, the label's box is the better target.
        agreed, nearest = _pairwise_iou(faces, taught[..., 1:]).max(1)
        known = faces.gather(1, nearest[..., None].expand(-1, -1, 4))
        theirs = torch.where((agreed > 0.4)[..., None], known, taught[..., 1:])
        target = torch.where(soft[..., None], theirs, target)
        weight = weight + score * soft
    count = weight.sum().clamp(min=1)
    error = (logits.sigmoid() - quality).abs().detach() ** 2
    entropy = functional.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    quality_loss = (entropy * error * ~doubtful).sum() / count
    learnt = weight > 0
    box_loss = (weight[learnt] * (1 - generalised_iou(boxes[learnt], target[learnt]))).sum() / count
    return quality_loss, box_loss
