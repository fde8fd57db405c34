"""Shares with their confidence intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

LEVEL = 0.95

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """A share 0…1 with its 95 % interval: `count` of `of`. Where `of` is 0 there is none.

    The interval is Wilson's (E. B. Wilson, "Probable Inference, the Law of Succession, and
    Statistical Inference", JASA 22, 1927), as scipy computes it. Unlike the normal interval,
    Wilson's stays within 0…1, and is not empty where none or all of the trials succeed.

    Attributes:
        count: Trials that succeeded.
        of: All trials.
    """

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; None where `of` is 0."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The lower and the upper end; None where `of` is 0."""
        if not self.of:
            return None
        ends = binomtest(self.count, self.of).proportion_ci(LEVEL, method="wilson")
        return float(ends.low), float(ends.high)

    def as_json(self) -> dict[str, float | int | None]:
        """Return value, low, high, count and of; the first three are null where `of` is 0."""
        low, high = self.interval or (None, None)
        return {
            "value": rounded(self.value),
            "low": rounded(low),
            "high": rounded(high),
            "count": self.count,
            "of": self.of,
        }

    def __str__(self) -> str:
        if self.interval is None or self.value is None:
            return "–"
        return f"{self.value:.1%} ({self.interval[0]:.1%}–{self.interval[1]:.1%})"


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure that is no share, with its 95 % interval by a percentile bootstrap.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993. The seed is fixed, so
    that the same data give the same interval.

    Attributes:
        value: The figure.
        low: The lower end.
        high: The upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, resampled: NDArray[np.float64]) -> "Spread":
        """Take the interval from the figure's values in resampled data, [N]."""
        low, high = np.quantile(resampled, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return cls(float(value), float(low), float(high))

    def as_json(self) -> dict[str, float | None]:
        """Return value, low and high."""
        return {
            "value": rounded(self.value), "low": rounded(self.low), "high": rounded(self.high),
        }  # fmt: skip


def mean_of_rates(rates: Sequence[Rate]) -> Spread:
    """Compute the mean of some shares, such as balanced accuracy of the recalls.

    Args:
        rates: Shares of different things; each is of one thing or more.

    Returns:
        The mean, and its interval over 1000 resampled counts of each share.
    """
    rng = np.random.default_rng(0)
    drawn = [rng.binomial(r.of, r.count / r.of, _RESAMPLES) / r.of for r in rates]
    return Spread.of(float(np.mean([r.count / r.of for r in rates])), np.mean(drawn, axis=0))


def mean_of_counts(counts: Sequence[int]) -> Spread:
    """Compute the mean of some counts, such as false faces in each picture.

    Args:
        counts: One count or more.

    Returns:
        The mean, and its interval over 1000 resamples of the counts.
    """
    numbers = np.array(counts, np.float64)
    places = np.random.default_rng(0).integers(0, len(numbers), (_RESAMPLES, len(numbers)))
    return Spread.of(float(numbers.mean()), numbers[places].mean(1))


def rounded(value: float | None) -> float | None:
    """Round to four places; None stays None."""
    return None if value is None else round(value, 4)


def value_of(figure: object) -> float:
    """Return a figure's value, with or without an interval."""
    return float(figure["value"] if isinstance(figure, Mapping) else figure)  # type: ignore[arg-type]
