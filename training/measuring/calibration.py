"""From logits to a verdict on a face: temperature, threshold, and what false verdicts there are."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = NDArray[np.float32]

TEMPERATURES = (0.2, 5.0)
"""The least and the greatest that logits are divided by: beyond, a split is too small to say."""


def calibrated(logits: Floats, temperature: float) -> Floats:
    """Probabilities [N, labels], rows sum to 1."""
    return np.asarray(softmax(logits / np.float32(temperature), 1), np.float32)


def temperature_of(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature that minimises the negative log-likelihood (Guo et al., On Calibration of
    Modern Neural Networks, 2017), within 0.2…5.

    The likelihood has one peak, since it is concave in the temperature's inverse. Where no label is
    missed it rises without end as the temperature falls: a search without bounds leaves the numbers
    there are.
    """
    wide = logits.astype(np.float64)

    def loss(exponent: float) -> float:
        return float(
            -log_softmax(wide / np.exp(exponent), 1)[np.arange(len(labels)), labels].mean()
        )

    found = minimize_scalar(
        loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


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
