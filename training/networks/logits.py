"""Run a classifier on many face crops."""

import numpy as np
import torch
from numpy.typing import NDArray

from training.networks.classifier import CropClassifier
from training.networks.normalisation import normalised


@torch.no_grad()
def logits_of(model: CropClassifier, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Classify crops, each together with its mirror image.

    Args:
        model: The classifier; it is set to evaluation mode.
        crops: BGR u8 [N, S, S, 3].

    Returns:
        Logits f32 [N, classes].
    """
    model.eval()
    device = next(model.parameters()).device
    parts = [
        model.both_ways(normalised(torch.from_numpy(crops[i : i + 128]).to(device))).cpu()
        for i in range(0, len(crops), 128)
    ]
    return np.asarray(torch.cat(parts).numpy(), np.float32)
