"""Verdict rates of faces grouped by how they were photographed, and by their set."""

from collections.abc import Callable, Sequence

import numpy as np

from training.measuring.classification_report import Classification
from training.measuring.matching import Outcome
from training.measuring.verdict_rates import verdict_rates

_SIZES = ((0, 32), (32, 48), (48, 96), (96, 192), (192, float("inf")))
_BRIGHTNESS = (("dark, under 80", 0, 80), ("middle", 80, 170), ("bright, 170 and more", 170, 256))


def by_condition(outcomes: Sequence[Outcome]) -> dict[str, dict[str, dict[str, object]]]:
    """Group faces and compute the verdict rates and the accuracy of each group.

    Args:
        outcomes: The faces.

    Returns:
        The figures of each group with a face: by shorter side in pixels, by thirds of sharpness
        (variance of the Laplacian), by brightness (mean luma, 0…255) and by source.
    """
    if not outcomes:
        return {}
    low, high = np.quantile([o.sharpness for o in outcomes], (1 / 3, 2 / 3))
    parts: dict[str, list[tuple[str, Callable[[Outcome], bool]]]] = {
        "face_size_px": [
            (
                f"{a}–{b}" if b < float("inf") else f"{a} and more",
                lambda o, a=a, b=b: a <= o.side < b,  # type: ignore[misc]
            )
            for a, b in _SIZES
        ],
        "sharpness": [
            (f"blurred third, up to {low:.0f}", lambda o: o.sharpness <= low),
            ("middle third", lambda o: low < o.sharpness < high),
            (f"sharp third, from {high:.0f}", lambda o: o.sharpness >= high),
        ],
        "brightness": [
            (name, lambda o, a=a, b=b: a <= o.brightness < b)  # type: ignore[misc]
            for name, a, b in _BRIGHTNESS
        ],
        "source": [
            (source, lambda o, s=source: o.source == s)  # type: ignore[misc]
            for source in sorted({o.source for o in outcomes})
        ],
    }
    return {
        title: {
            name: _part(mine)
            for name, belongs in rows
            if (mine := [o for o in outcomes if belongs(o)])
        }
        for title, rows in parts.items()
    }


def _part(outcomes: Sequence[Outcome]) -> dict[str, object]:
    said = [o for o in outcomes if o.said >= 0]
    counted = Classification.of([o.truth for o in said], [o.said for o in said])
    return {
        "faces": len(outcomes),
        "accuracy_of_judged": counted.accuracy.as_json(),
        **verdict_rates(outcomes).as_json(),
    }
