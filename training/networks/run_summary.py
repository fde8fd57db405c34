"""The summary of a training run: what the model learnt from, and whether it saw enough.

`train` writes the summary into `summary.json` of the run's folder, at each validation and at the
end. `evaluate`, `suspects` and `export` read it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from training.errors import MissingRunError
from training.storage import write_json

SUMMARY = "summary.json"

NOTHING = "nothing"
"""What `began_from` says of a run that began with random weights."""

LEAST_SAMPLES = {"detector": 200_000, "classifier": 100_000, "gender": 20_000}
"""Training samples, with those of earlier runs, under which a model is certainly not finished.

With fewer, each of our models still improved steeply: the detector had a face AP of .15 after 29
thousand and .62 after 106 thousand, the classifier a macro F1 of .858 after 73 thousand and .899
after 320 thousand.
"""

LEAST_PASSES = 3.0
"""Times that each training picture should be seen, on average: each time it looks different."""

_GAIN = 0.005
"""Rise of the goal in the last quarter of the validations that counts as still improving."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run learnt from, and how far it came.

    Attributes:
        kind: `detector`, `classifier` or `gender`.
        began_from: `shipped`, `nothing`, or the folder or file that the run began from.
        training_faces: Training faces of each class, those too small to be judged left out. A
            class without a face is there with 0.
        drawn_faces: Bare training faces on which masks are drawn, rightly and wrongly worn.
        training_pictures: Pictures of the training split.
        samples: Training samples of this run.
        samples_before: Training samples of the runs that this run began from.
        passes: How often this run saw each face (of a detector: each picture), on average.
        still_improving: Whether the goal was still rising at the last validation; None with fewer
            than three validations.
        advice: What makes the run too short, a sentence each; empty where nothing does.
    """

    kind: str
    began_from: str
    training_faces: dict[str, int]
    drawn_faces: int
    training_pictures: int
    samples: int
    samples_before: int
    passes: float
    still_improving: bool | None
    advice: tuple[str, ...]

    @property
    def saw_enough(self) -> bool:
        """Whether nothing says that the run was too short."""
        return not self.advice

    @property
    def missing_classes(self) -> tuple[str, ...]:
        """The classes without a training face."""
        return tuple(name for name, faces in self.training_faces.items() if faces == 0)


def still_improving(goals: Sequence[float]) -> bool | None:
    """Say whether a goal was still rising.

    Args:
        goals: Its value at each validation; the higher, the better.

    Returns:
        Whether the best of the last quarter is better than the best before; None where fewer than
        three validations cannot tell.
    """
    if len(goals) < 3:
        return None
    recent = max(1, len(goals) // 4)
    return max(goals[-recent:]) - max(goals[:-recent]) > _GAIN


def summarise(
    *,
    kind: str,
    began_from: str,
    training_faces: Mapping[str, int],
    drawn_faces: int,
    training_pictures: int,
    samples: int,
    samples_before: int,
    goals: Sequence[float],
) -> RunSummary:
    """Summarise a run, and say what makes it too short.

    Args:
        kind: See `RunSummary`.
        began_from: The same.
        training_faces: The same.
        drawn_faces: The same.
        training_pictures: The same.
        samples: The same.
        samples_before: The same.
        goals: The goal's value at each validation.

    Returns:
        The summary.
    """
    faces = sum(training_faces.values())
    passes = samples / max(1, training_pictures if kind == "detector" else faces)
    improving = still_improving(goals)
    seen, least = samples + samples_before, LEAST_SAMPLES.get(kind, 0)
    advice = []
    if seen < least:
        advice.append(
            f"the model has seen {seen} samples, and a {kind} needs {least} or more: give more "
            "--minutes, or begin from the shipped model (--begin-from shipped)"
        )
    if passes < LEAST_PASSES and not samples_before:
        what = "picture" if kind == "detector" else "face"
        advice.append(
            f"each {what} was seen {passes:.1f} times, and {LEAST_PASSES:.0f} times are the least: "
            "give more --minutes"
        )
    if improving:
        advice.append(
            "the model was still improving at the end: continue with --resume and more --minutes"
        )
    return RunSummary(
        kind,
        began_from,
        dict(training_faces),
        drawn_faces,
        training_pictures,
        samples,
        samples_before,
        round(passes, 2),
        improving,
        tuple(advice),
    )


def write_summary(summary: RunSummary, run: Path) -> None:
    """Write `summary.json` into a run's folder.

    Raises:
        StorageError: The file cannot be written.
    """
    write_json(asdict(summary) | {"saw_enough": summary.saw_enough}, run / SUMMARY)


def read_summary(run: Path) -> RunSummary | None:
    """Read `summary.json` of a run.

    Args:
        run: The run's folder.

    Returns:
        The summary; None where a run of an earlier version has none.

    Raises:
        MissingRunError: The file cannot be parsed.
    """
    path = run / SUMMARY
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content.pop("saw_enough", None)
        return RunSummary(**{**content, "advice": tuple(content["advice"])})
    except (ValueError, TypeError, KeyError) as error:
        raise MissingRunError(
            f"{path} is no summary of a run ({error}); delete it, or train again"
        ) from error
