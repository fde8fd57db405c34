"""`evaluate classifier` and `evaluate pipeline`: figures of the installed models.

They are measured on the validation split, or on any folder.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.table import Table
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from training.boxes.cropping import cut
from training.boxes.detections import Detections
from training.errors import EmptyClassError
from training.figures.mistakes_page import Mistake, shown_file, thumbnail, write_mistakes
from training.figures.plots import draw_confusion, draw_precision_recall, draw_roc
from training.graphs.installed import InstalledClassifier
from training.graphs.system import UNJUDGED, System
from training.measuring.average_precision import COUNTED
from training.measuring.classification_report import Classification
from training.measuring.conditions import by_condition
from training.measuring.detection_curve import DetectionCurve, detection_curve
from training.measuring.evaluation_set import EvaluationSet
from training.measuring.intervals import Rate, rounded
from training.measuring.matching import Outcome, outcomes, shorter_side
from training.measuring.verdict_rates import verdict_rates
from training.networks.detection import FAINTEST
from training.records.image_quality import brightness, grey_of, sharpness
from training.records.pictures import read_picture
from training.records.record import LABELS, FaceRecord, Record

_ROOM = 0.2
"""Room around a face on the page of mistakes, as a share of its longer side."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one classifier, or of a detector and a classifier together.

    Attributes:
        title: What was measured.
        dataset: The pictures.
        least: Shorter side in pixels from which a face counts.
        outcomes: Of each labelled face.
        found: The detector's figures; None without a detector.
        recall: Of the detector, at its threshold.
        precision: The same.
        left_out: The number of faces left out for each reason.
        warnings: What could not be measured, with the mend.
        inference_precision: In which the processor computed, such as `f32`.
    """

    title: str
    dataset: EvaluationSet
    least: float
    outcomes: list[Outcome]
    found: DetectionCurve | None = None
    recall: Rate | None = None
    precision: Rate | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    inference_precision: str = ""

    @property
    def judged(self) -> list[Outcome]:
        """The faces that were given a label."""
        return [o for o in self.outcomes if o.said >= 0]

    @property
    def classification(self) -> Classification:
        """The confusion of the judged faces."""
        return Classification.of([o.truth for o in self.judged], [o.said for o in self.judged])

    def as_json(self) -> dict[str, object]:
        """Return all figures for machines."""
        faces: dict[str, object] = {}
        if self.found is not None and self.recall is not None and self.precision is not None:
            faces = {
                "face_ap_50": self.found.as_json(),
                "face_recall": self.recall.as_json(),
                "face_precision": self.precision.as_json(),
            }
        return {
            "measured": self.title,
            "data": self.dataset.name,
            "pictures": len(self.dataset.records),
            "faces": len(self.outcomes),
            "faces_judged": len(self.judged),
            "least_side_px": self.least,
            "inference_precision": self.inference_precision,
            **faces,
            **verdict_rates(self.outcomes).as_json(),
            **self.classification.as_json(),
            "roc_auc": self._roc_auc(),
            "by": by_condition(self.outcomes),
            "left_out": dict(self.left_out),
            "warnings": {"count": len(self.warnings), "lines": self.warnings},
            "problems": {"count": len(self.dataset.problems), "lines": self.dataset.problems},
        }

    def as_table(self) -> Table:
        """Return the main figures for people."""
        table = Table("figure", "value (95 % interval)", "faces", title=self.title)
        table.caption = (
            f"{self.dataset.name}: {len(self.dataset.records)} pictures, faces of "
            f"{self.least:.0f} px or more"
        )
        if self.found is not None:
            low, high = self.found.interval or (float("nan"), float("nan"))
            value = f"{self.found.average_precision:.3f} ({low:.3f}–{high:.3f})"
            table.add_row("face AP, IoU 0.5", value, str(self.found.faces))
        counted, sorted_out = verdict_rates(self.outcomes), self.classification
        rows = {
            "faces found": self.recall,
            "right verdict": counted.right,
            "false admits, no mask": counted.false_admit_without_mask,
            "false admits, wrongly worn": counted.false_admit_incorrect_mask,
            "false refusals": counted.false_refusal,
            "accuracy of those judged": sorted_out.accuracy,
            **{f"recall, {LABELS[i]}": sorted_out.recall(i) for i in sorted_out.present},
            **{f"precision, {LABELS[i]}": sorted_out.precision(i) for i in sorted_out.present},
        }
        for name, rate in rows.items():
            if rate is not None:
                table.add_row(name, str(rate), str(rate.of))
        return table

    def draw(self, folder: Path) -> list[Path]:
        """Draw confusion.png, roc.png, pr.png and faces-pr.png, where there are faces for them.

        Args:
            folder: Where they are drawn; it is made when missing.

        Returns:
            The files that were drawn.
        """
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [folder / "confusion.png"]
        draw_confusion(self.classification.matrix.tolist(), LABELS, drawn[0])
        masked, likely = self._scored()
        if 0 < masked.sum() < len(masked):
            falsely, rightly, _ = roc_curve(masked, likely)
            drawn.append(folder / "roc.png")
            said = np.array([o.said == 0 for o in self.judged if not np.isnan(o.masked)], bool)
            at = float(said[~masked].mean()), float(said[masked].mean())
            title = f"with_mask, AUC {self._roc_auc():.4f}"
            draw_roc(falsely.tolist(), rightly.tolist(), at, drawn[-1], title)
            precision, recall, _ = precision_recall_curve(masked, likely)
            drawn.append(folder / "pr.png")
            draw_precision_recall(recall.tolist(), precision.tolist(), drawn[-1], "with_mask")
        if self.found is not None and len(self.found.scores):
            drawn.append(folder / "faces-pr.png")
            title = f"faces, AP {self.found.average_precision:.3f}"
            curve = self.found
            draw_precision_recall(curve.recall.tolist(), curve.precision.tolist(), drawn[-1], title)
        return drawn

    def write_mistakes(self, path: Path) -> None:
        """Write the page of wrong verdicts; the pictures are read once more.

        Args:
            path: The page.

        Raises:
            StorageError: The page cannot be written.
        """
        mistakes = []
        for outcome in (o for o in self.outcomes if not o.right):
            picture = read_picture(Path(outcome.path))
            if picture is None:
                continue
            judged = outcome.said >= 0
            mistakes.append(
                Mistake(
                    thumbnail(cut(picture, outcome.box, _ROOM)),
                    shown_file(outcome.path),
                    LABELS[outcome.truth],
                    LABELS[outcome.said] if judged else "",
                    outcome.masked if judged and not np.isnan(outcome.masked) else None,
                )
            )
        write_mistakes(mistakes, len(self.outcomes), f"{self.title}, {self.dataset.name}", path)

    def _scored(self) -> "tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], list[float]]":
        kept = [o for o in self.judged if not np.isnan(o.masked)]
        return np.array([o.truth == 0 for o in kept], bool), [o.masked for o in kept]

    def _roc_auc(self) -> float | None:
        masked, likely = self._scored()
        if not 0 < masked.sum() < len(masked):
            return None
        return rounded(float(roc_auc_score(masked, likely)))


def labelled(record: Record) -> Iterator[FaceRecord]:
    """List the faces of a picture that somebody labelled.

    Args:
        record: The picture. A class folder's picture has one face, or the whole picture is one
            where nobody says where the face is.

    Yields:
        The faces.
    """
    if record.crop is not None:
        whole = (0.0, 0.0, float(record.width), float(record.height))
        yield FaceRecord(record.faces[0].box if record.faces else whole, record.crop)
        return
    yield from (f for f in record.faces if f.label is not None and not f.ignore)


def evaluate_installed_classifier(
    dataset: EvaluationSet, classifier: InstalledClassifier, least: float = COUNTED
) -> Evaluation:
    """Judge each labelled face at its labelled place: the classifier alone.

    Args:
        dataset: The pictures.
        classifier: The classifier.
        least: Shorter side in pixels from which a face counts.

    Returns:
        The figures.

    Raises:
        EmptyClassError: There is no labelled face of that size.
    """
    done: list[Outcome] = []
    left_out: Counter[str] = Counter()
    for record, picture in dataset.pictures("faces"):
        faces = list(labelled(record))
        left_out["unlabelled or to be ignored"] += max(0, len(record.faces) - len(faces))
        for face in faces:
            if shorter_side(face) < least:
                left_out[f"smaller than {least:.0f} px"] += 1
                continue
            said, masked = classifier.judge(picture, np.array([face.box], np.float32))
            if said[0] == UNJUDGED:
                left_out["too small for the classifier"] += 1
                continue
            x0, y0, x1, y1 = (round(v) for v in face.box)
            grey = grey_of(picture[y0:y1, x0:x1])
            truth = LABELS.index(str(face.label))
            light = sharpness(grey), brightness(grey)
            done.append(
                Outcome(
                    truth,
                    int(said[0]),
                    float(masked[0]),
                    shorter_side(face),
                    *light,
                    record.set,
                    record.path,
                    face.box,
                )
            )
    return Evaluation(
        f"classifier {classifier.path.name}",
        dataset,
        least,
        _some(done, dataset, least),
        left_out=+left_out,
        warnings=_warnings(done),
        inference_precision=classifier.precision,
    )


def evaluate_installed_pipeline(
    dataset: EvaluationSet, system: System, least: float = COUNTED
) -> Evaluation:
    """Run whole pictures through detector and classifier, as the edge does.

    Args:
        dataset: The pictures.
        system: Detector and classifier.
        least: Shorter side in pixels from which a face counts.

    Returns:
        The figures.

    Raises:
        EmptyClassError: There is no picture with boxes, or no labelled face of that size.
    """
    boxed = dataset.boxed()
    done: list[Outcome] = []
    found: list[Detections] = []
    left_out: Counter[str] = Counter()
    for record, picture in boxed.pictures("pictures"):
        prediction = system.predict(picture, min(FAINTEST, system.threshold))
        found.append(prediction.faces)
        done += outcomes(record, picture, prediction, system.threshold, least)
        left_out["to be ignored"] += sum(f.ignore for f in record.faces)
        left_out["unlabelled"] += sum(f.label is None and not f.ignore for f in record.faces)
        left_out[f"smaller than {least:.0f} px"] += sum(
            shorter_side(f) < least and not f.ignore for f in record.faces
        )
    curve = detection_curve(boxed.records, found, least)
    hit, counted = curve.at(system.threshold)
    return Evaluation(
        f"detector and classifier, {system.name}",
        boxed,
        least,
        _some(done, dataset, least),
        curve,
        Rate(hit, curve.faces),
        Rate(hit, counted),
        +left_out,
        _warnings(done),
        system.precision,
    )


def _some(done: list[Outcome], dataset: EvaluationSet, least: float) -> list[Outcome]:
    if not done:
        raise EmptyClassError(
            f"{dataset.name}: not one labelled face of {least:.0f} px or more; add larger faces, "
            "or lower --least-side"
        )
    return done


def _warnings(done: list[Outcome]) -> list[str]:
    """Name the figures that the data cannot give."""
    absent = [label for place, label in enumerate(LABELS) if all(o.truth != place for o in done)]
    measures: dict[str, str] = {
        "with_mask": "false refusals",
        "without_mask": "false admits of no mask",
        "incorrect_mask": "false admits of wrongly worn masks",
    }
    lines = [
        f"no face is {label}: {measures[label]} cannot be measured; add some" for label in absent
    ]
    if len(absent) == 2:
        lines.append("faces of one class alone: no ROC can be drawn; add another class")
    return lines
