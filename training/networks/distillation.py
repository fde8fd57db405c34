"""Knowledge distillation: a network keeps the answers of the one that it began from.

Without it, fine-tuning on a few pictures forgets what they do not show (Li and Hoiem, Learning
without Forgetting, 2016): a classifier that sees no wrongly worn mask begins to admit them.
"""

import torch
from torch.nn import functional

TEMPERATURE = 2.0
"""Divides both networks' logits, so that small probabilities count (Li and Hoiem, section 3)."""


DISTILLATION = 3.0
"""Weight of the loss beside the entropy loss; docs/training.md has the figures."""


def distillation_loss(logits: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Compute how far a network's answers are from those of its teacher.

    Args:
        logits: Of the network that learns [B, classes].
        taught: Of its teacher on the same pictures [B, classes].

    Returns:
        The Kullback-Leibler divergence of both at `TEMPERATURE`, mean of the batch, times the
        square of the temperature (Hinton et al., Distilling the Knowledge in a Neural Network,
        2015, section 2), so that its gradients do not depend on the temperature.
    """
    return TEMPERATURE**2 * functional.kl_div(
        functional.log_softmax(logits / TEMPERATURE, 1),
        functional.log_softmax(taught / TEMPERATURE, 1),
        reduction="batchmean",
        log_target=True,
    )
