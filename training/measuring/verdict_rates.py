"""Rates over many faces: right verdicts, false admits, false refusals."""

from collections.abc import Iterable
from dataclasses import dataclass

from training.graphs.system import UNJUDGED
from training.measuring.intervals import Rate
from training.measuring.matching import MISSED, Outcome
from training.records.record import LABELS


@dataclass(frozen=True, slots=True)
class VerdictRates:
    """Rates over faces whose label is known.

    Attributes:
        right: Masked faces that were labelled with_mask, and other faces that were not; of all
            faces, so that a missed face counts as wrong.
        false_admit_without_mask: Bare faces labelled with_mask, of those that were judged.
        false_admit_incorrect_mask: Faces with a wrongly worn mask labelled with_mask, of those
            judged.
        false_refusal: Masked faces labelled anything else, of those judged.
        missed: Faces not found, of all.
        unjudged: Faces found and too small to be judged, of all.
        right_by_label: `right` of each label's faces.
    """

    right: Rate
    false_admit_without_mask: Rate
    false_admit_incorrect_mask: Rate
    false_refusal: Rate
    missed: Rate
    unjudged: Rate
    right_by_label: dict[str, Rate]

    def as_json(self) -> dict[str, object]:
        """Return each rate with its interval and counts."""
        return {
            "right_verdict": self.right.as_json(),
            "false_admit_without_mask": self.false_admit_without_mask.as_json(),
            "false_admit_incorrect_mask": self.false_admit_incorrect_mask.as_json(),
            "false_refusal": self.false_refusal.as_json(),
            "missed": self.missed.as_json(),
            "unjudged": self.unjudged.as_json(),
            "right_verdict_by_label": {k: r.as_json() for k, r in self.right_by_label.items()},
        }


def verdict_rates(outcomes: Iterable[Outcome]) -> VerdictRates:
    """Compute the rates of some faces.

    Args:
        outcomes: The faces.

    Returns:
        The rates.
    """
    rows = list(outcomes)

    def share(chosen: Iterable[bool]) -> Rate:
        kept = list(chosen)
        return Rate(sum(kept), len(kept))

    def judged(truth: int) -> list[Outcome]:
        return [o for o in rows if o.truth == truth and o.said >= 0]

    return VerdictRates(
        share(o.right for o in rows),
        share(o.said == 0 for o in judged(1)),
        share(o.said == 0 for o in judged(2)),
        share(o.said != 0 for o in judged(0)),
        share(o.said == MISSED for o in rows),
        share(o.said == UNJUDGED for o in rows),
        {
            label: share(o.right for o in rows if o.truth == place)
            for place, label in enumerate(LABELS)
        },
    )
