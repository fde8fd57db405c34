"""From logits to a verdict on a face: temperature, threshold, and rates of false verdicts."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from training.measuring.intervals import Rate

Floats = NDArray[np.float32]

TEMPERATURES = (0.2, 5.0)
"""The least and the greatest temperature: beyond, a split is too small to choose one."""


def calibrated(logits: Floats, temperature: float) -> Floats:
    """Return probabilities [N, labels] for logits divided by a temperature; rows sum to 1."""
    return np.asarray(softmax(logits / np.float32(temperature), 1), np.float32)


def temperature_of(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Choose the temperature that minimises the negative log-likelihood.

    This is temperature scaling (Guo et al., On Calibration of Modern Neural Networks, 2017). The
    likelihood has one peak, since it is concave in the inverse of the temperature. Where every
    label is predicted rightly, the likelihood rises without end as the temperature falls; so the
    search has bounds.

    Args:
        logits: [N, labels].
        labels: [N].

    Returns:
        The temperature, 0.2…5.
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
    """Give each face a label by the edge's rule.

    A face is with_mask if this label has at least the threshold, else it has the likelier of the
    other two labels.

    Args:
        probabilities: [N, labels].
        threshold: Of with_mask, 0…1.

    Returns:
        Labels [N].
    """
    others = 1 + probabilities[:, 1:].argmax(1)
    return np.where(probabilities[:, 0] >= threshold, 0, others).astype(np.int64)


def admission_rates(labels: NDArray[np.int64], guesses: NDArray[np.int64]) -> dict[str, Rate]:
    """Count false admits and false refusals.

    Args:
        labels: The true labels [N].
        guesses: The labels that were given [N].

    Returns:
        False admits of bare faces and of wrongly worn masks, and false refusals of masked faces,
        each as a share of its label's faces; a label without a face has none.
    """

    def share(label: int, admitted: bool) -> Rate:
        mine = guesses[labels == label]
        return Rate(int(((mine == 0) == admitted).sum()), len(mine))

    rates = {
        "false_admit_without_mask": share(1, True),
        "false_admit_incorrect_mask": share(2, True),
        "false_refusal": share(0, False),
    }
    return {name: rate for name, rate in rates.items() if rate.of}


def threshold_of(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Choose the threshold of with_mask at which false verdicts cost least.

    A false refusal costs 1, a false admit of a bare face 2, and one of a wrongly worn mask 0.5,
    each as a share of its label's faces.

    Args:
        probabilities: [N, labels].
        labels: The true labels [N].

    Returns:
        The threshold, 0.35…0.95, in hundredths.
    """
    best, cheapest = 0.5, np.inf
    for threshold in np.arange(0.35, 0.951, 0.01):
        said = verdicts(probabilities, float(threshold))
        rates = {k: r.count / r.of for k, r in admission_rates(labels, said).items()}
        cost = (
            rates.get("false_refusal", 0)
            + 2 * rates.get("false_admit_without_mask", 0)
            + 0.5 * rates.get("false_admit_incorrect_mask", 0)
        )
        if cost < cheapest - 1e-9:
            best, cheapest = float(threshold), cost
    return round(best, 2)
