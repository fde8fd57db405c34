"""Shares with their confidence intervals."""

from dataclasses import dataclass

from scipy.stats import binomtest

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `of`, as a share 0…1 with its 95 % interval; nothing where `of` is 0.

    The interval is Wilson's (E. B. Wilson, "Probable Inference, the Law of Succession, and
    Statistical Inference", JASA 22, 1927), as scipy computes it: unlike the normal one it stays
    within 0…1 and says something about no event in so many trials.
    """

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper end; None of nothing."""
        if not self.of:
            return None
        ends = binomtest(self.count, self.of).proportion_ci(LEVEL, method="wilson")
        return float(ends.low), float(ends.high)

    def as_json(self) -> dict[str, float | int | None]:
        """value, low, high, count, of; the first three are null of nothing."""
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
    """Four places; None as it is."""
    return None if value is None else round(value, 4)
