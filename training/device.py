"""Where a run's arithmetic happens."""

import torch


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; where it does not, autocast only costs."""
    capabilities = torch.cpu.get_capabilities()
    return bool(
        capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16")
    )
