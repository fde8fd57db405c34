"""Pixels as both networks take them."""

import torch

MEAN, SCALE = 127.5, 127.5
"""Normalisation of both models: u8 values become -1…1."""


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """u8 [B, H, W, 3] → f32 [B, 3, H, W], channels last in memory."""
    return ((pictures.permute(0, 3, 1, 2).float() - MEAN) / SCALE).contiguous(
        memory_format=torch.channels_last
    )
