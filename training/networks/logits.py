"""Run a classifier of face crops on many crops."""

import numpy as np
import torch
from numpy.typing import NDArray

from training.networks.classifier import CropClassifier
from training.networks.normalisation import normalised


@torch.no_grad()
def logits_of(model: CropClassifier, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """f32 [N, 3] for crops u8 [N, S, S, 3]."""
    model.eval()
    device = next(model.parameters()).device
    parts = [
        model.both_ways(normalised(torch.from_numpy(crops[i : i + 128]).to(device))).cpu()
        for i in range(0, len(crops), 128)
    ]
    return np.asarray(torch.cat(parts).numpy(), np.float32)
