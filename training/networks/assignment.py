"""Which anchor points answer for which face, and what that costs: dynamic assignment, GIoU and
quality-weighted BCE.
"""

import torch
from torch.nn import functional

from training.networks.detector import decode

RADIUS = 1.5
"""Strides around a face's centre within which an anchor may answer for it, whatever the face's size
(FCOS, YOLOX).
"""

MOST_ANCHORS = 10


def _pairwise_iou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """[B, G, 4] and [B, A, 4] → [B, G, A]."""
    low = torch.maximum(first[:, :, None, :2], second[:, None, :, :2])
    high = torch.minimum(first[:, :, None, 2:], second[:, None, :, 2:])
    overlap = (high - low).clamp(min=0).prod(-1)
    area = (first[..., 2:] - first[..., :2]).prod(-1)[:, :, None] + (
        second[..., 2:] - second[..., :2]
    ).prod(-1)[:, None]
    return overlap / (area - overlap).clamp(min=1e-6)


def generalised_iou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """GIoU of matching boxes [N, 4] (Rezatofighi et al., 2019), -1…1."""
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
    """SimOTA (Ge et al., YOLOX, 2021), for a whole batch at once.

    logits [B, A], boxes [B, A, 4], anchors [A, 3], faces [B, G, 4] padded with zeros → index of the
    face for each anchor [B, A] (-1: background) and the IoU of its present box with that face [B,
    A].
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
    # An anchor that several faces want answers for the one to which it costs least.
    cost = torch.where(matched, cost, torch.inf)
    best, face = cost.min(1)
    face = torch.where(best.isfinite(), face, -1)
    quality = iou.gather(1, face.clamp(min=0)[:, None]).squeeze(1) * (face >= 0)
    return face, quality


TAUGHT = 0.3
"""Teacher's score from which an anchor that no known face claims learns the teacher's box too."""


def detection_loss(
    logits: torch.Tensor,
    raw: torch.Tensor,
    anchors: torch.Tensor,
    faces: torch.Tensor,
    ignored: torch.Tensor,
    *,
    taught: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Quality loss (Li et al., Generalized Focal Loss, 2020, beta 2) and box loss (1 - GIoU), each
    by assigned anchor.

    `taught` [B, A, 5] is what a teacher says at the same anchors, score and box: where no known
    face claims an anchor, the teacher's score is its target instead of 0 (Hinton et al., Distilling
    the Knowledge in a Neural Network, 2015), so that a face that nobody labelled is no background.
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
        # Where the teacher means a face that is known, the known box is the better one.
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
