"""Shares with their confidence intervals."""

from dataclasses import dataclass

from scipy.stats import binomtest

LEVEL = 0.95


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


def rounded(value: float | None) -> float | None:
    """Round to four places; None stays None."""
    return None if value is None else round(value, 4)
