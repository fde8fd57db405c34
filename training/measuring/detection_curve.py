"""Precision over recall of a detector, and the area under the curve with a confidence interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from training.boxes.detections import Detections
from training.graphs.system import Floats
from training.measuring.average_precision import COUNTED, average_precision
from training.measuring.intervals import LEVEL, rounded
from training.measuring.matching import is_counted, match_detections
from training.records.record import Record

_RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class DetectionCurve:
    """The average precision of a detector, and its curve.

    Attributes:
        average_precision: At IoU 0.5, over 101 recall points (COCO).
        interval: Its 95 % interval, by resampling pictures; None of a single picture.
        faces: How many there were to find.
        scores: Of the detections that count, falling.
        precision: Of the detections down to each score.
        recall: The same.
    """

    average_precision: float
    interval: tuple[float, float] | None
    faces: int
    scores: Floats
    precision: Floats
    recall: Floats

    def at(self, threshold: float) -> tuple[int, int]:
        """Count at a threshold.

        Args:
            threshold: The least score of a detection.

        Returns:
            The faces found, and the detections that count.
        """
        last = int(np.searchsorted(-self.scores, -threshold, side="right")) - 1
        if last < 0:
            return 0, 0
        return round(float(self.recall[last]) * self.faces), last + 1

    def as_json(self) -> dict[str, object]:
        """Return value, low, high and faces."""
        low, high = self.interval or (None, None)
        return {
            "value": rounded(self.average_precision),
            "low": rounded(low),
            "high": rounded(high),
            "faces": self.faces,
        }


def detection_curve(
    records: Sequence[Record], found: Sequence[Detections], least: float = COUNTED
) -> DetectionCurve:
    """Judge detections picture by picture.

    The interval is a percentile bootstrap over pictures (Efron and Tibshirani, "An Introduction to
    the Bootstrap", 1993) with a fixed seed.

    Args:
        records: The pictures.
        found: The detections of each, of all scores.
        least: Shorter side in pixels from which a face counts.

    Returns:
        The curve.
    """
    scores, right, places, faces = match_detections(records, found, least)
    order = np.argsort(-scores, kind="stable")
    risen = np.cumsum(right[order])
    interval = None
    if len(records) > 1 and faces:
        counted = np.array([sum(is_counted(f, least) for f in r.faces) for r in records])
        by_picture = [np.flatnonzero(places == i) for i in range(len(records))]

        def resampled(chosen: NDArray[np.int64]) -> float:
            taken = np.concatenate([by_picture[i] for i in chosen])
            return _interpolated(scores[taken], right[taken], int(counted[chosen].sum()))

        ends = bootstrap(
            (np.arange(len(records)),),
            resampled,
            n_resamples=_RESAMPLES,
            confidence_level=LEVEL,
            method="percentile",
            vectorized=False,
            rng=np.random.default_rng(0),
        ).confidence_interval
        interval = (float(ends.low), float(ends.high))
    return DetectionCurve(
        average_precision(records, found, least),
        interval,
        faces,
        scores[order],
        (risen / np.arange(1, len(risen) + 1)).astype(np.float32),
        (risen / max(1, faces)).astype(np.float32),
    )


def _interpolated(scores: Floats, right: NDArray[np.bool_], faces: int) -> float:
    """COCO's average precision, over 101 recall points, of detections that are faces or not."""
    if not faces or not len(scores):
        return 0.0
    risen = np.cumsum(right[np.argsort(-scores, kind="stable")])
    precision = np.maximum.accumulate((risen / np.arange(1, len(risen) + 1))[::-1])[::-1]
    places = np.searchsorted(risen / faces, np.linspace(0, 1, 101), side="left")
    return float(np.append(precision, 0.0)[np.minimum(places, len(precision))].mean())
