"""The normalisation of pixels for both networks."""

import torch

MEAN, SCALE = 127.5, 127.5
"""Subtracted from u8 values, and what the difference is divided by: values become -1…1."""


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Return u8 pictures [B, H, W, 3] as f32 [B, 3, H, W], -1…1, with channels last in memory."""
    return ((pictures.permute(0, 3, 1, 2).float() - MEAN) / SCALE).contiguous(
        memory_format=torch.channels_last
    )
