"""From logits to a verdict on a face: temperature, threshold, and what false verdicts there are."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Floats = NDArray[np.float32]


def calibrated(logits: Floats, temperature: float) -> Floats:
    """Probabilities [N, labels], rows sum to 1."""
    scaled = functional.softmax(torch.from_numpy(logits / np.float32(temperature)), 1)
    return np.asarray(scaled.numpy(), np.float32)


def temperature_of(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature that minimises the negative log-likelihood (Guo et al., On Calibration of
    Modern Neural Networks, 2017).
    """
    scale = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([scale], max_iter=60)
    given, truth = torch.from_numpy(logits), torch.from_numpy(labels)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(given / scale.exp(), truth)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return float(scale.detach().exp().clamp(0.2, 5.0))


def verdicts(probabilities: Floats, threshold: float) -> NDArray[np.int64]:
    """with_mask where it has at least the threshold, else the likelier of the other two: the edge's
    rule.
    """
    others = 1 + probabilities[:, 1:].argmax(1)
    return np.where(probabilities[:, 0] >= threshold, 0, others).astype(np.int64)


def admission_figures(labels: NDArray[np.int64], guesses: NDArray[np.int64]) -> dict[str, float]:
    """False admits of bare faces and of wrongly worn masks, false refusals of masked ones; shares
    of their class.
    """

    def share(label: int, admitted: bool) -> float:
        mine = guesses[labels == label]
        return round(float(((mine == 0) == admitted).mean()), 4) if len(mine) else float("nan")

    rates = {
        "false_admit_without_mask": share(1, True),
        "false_admit_incorrect_mask": share(2, True),
        "false_refusal": share(0, False),
    }
    return {k: v for k, v in rates.items() if not np.isnan(v)}


def threshold_of(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """The with_mask threshold at which false refusals, false admits of bare faces (twice as bad)
    and of wrongly worn masks (half as bad) cost least together.
    """
    best, cheapest = 0.5, np.inf
    for threshold in np.arange(0.35, 0.951, 0.01):
        rates = admission_figures(labels, verdicts(probabilities, float(threshold)))
        cost = (
            rates.get("false_refusal", 0)
            + 2 * rates.get("false_admit_without_mask", 0)
            + 0.5 * rates.get("false_admit_incorrect_mask", 0)
        )
        if cost < cheapest - 1e-9:
            best, cheapest = float(threshold), cost
    return round(best, 2)
