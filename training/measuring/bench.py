"""`bench`: compare our installed models with the peers' released ones.

One matching code judges all of them on the same pictures. They are timed in turns, in one process,
with the same number of threads.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
from rich.table import Table

from training.boxes.detections import Detections
from training.errors import ModelError
from training.graphs.installed import installed, pairs_in
from training.graphs.peers.catalogue import PEERS, Peer
from training.graphs.system import System
from training.measuring.average_precision import COUNTED
from training.measuring.detection_curve import DetectionCurve, detection_curve
from training.measuring.evaluation_set import EvaluationSet
from training.measuring.intervals import Rate
from training.measuring.matching import Outcome, outcomes
from training.measuring.speed import Latency, frames_of_one_face, time_systems
from training.measuring.verdict_rates import VerdictRates, verdict_rates
from training.networks.detection import FAINTEST


@dataclass(frozen=True, slots=True)
class BenchRow:
    """A row of the comparison.

    Attributes:
        name: Of the system.
        size: The size of its input, in words.
        origin: Its source and licence.
        threshold: Score from which a face counts, as shipped.
        found: The detector's figures.
        recall: Of the faces, those found at that threshold.
        precision: Of the detections at that threshold, those that are faces.
        verdict_rates: Of the labels; None where the system says nothing of masks.
        latency: How long a frame takes; None where it was not timed.
        problem: Why there are no figures.
    """

    name: str
    size: str = ""
    origin: str = ""
    threshold: float = 0.0
    found: DetectionCurve | None = None
    recall: Rate | None = None
    precision: Rate | None = None
    verdict_rates: VerdictRates | None = None
    latency: Latency | None = None
    problem: str | None = None

    def as_json(self, ours: Latency | None) -> dict[str, object]:
        """Return the row for machines.

        Args:
            ours: Our latency; `speed.ours_to_this` is our median divided by this system's.

        Returns:
            The figures by name, or the name and the problem.
        """
        if self.problem is not None or self.found is None:
            return {"name": self.name, "problem": self.problem}
        row: dict[str, object] = {
            "name": self.name,
            "input": self.size,
            "origin": self.origin,
            "threshold": self.threshold,
            "face_ap_50": self.found.as_json(),
            "recall": self.recall.as_json() if self.recall else None,
            "precision": self.precision.as_json() if self.precision else None,
            **(self.verdict_rates.as_json() if self.verdict_rates else {}),
        }
        if self.latency is not None:
            row["speed"] = self.latency.as_json()
            if ours is not None:
                row["speed"] = self.latency.as_json() | {
                    "ours_to_this": round(ours.median / self.latency.median, 3)
                }
        return row


@dataclass(frozen=True, slots=True)
class BenchResult:
    """All rows of the comparison, ours first.

    Attributes:
        data: The pictures' name.
        pictures: How many they are.
        least_side: Shorter side in pixels from which a face counts.
        threads: For inference, the same for all; None where the runtime chose.
        rows: The systems.
        problems: What was left out of the data, and why.
        inference_precision: In which the processor computed for all that OpenVINO ran, such as
            `f32`.
    """

    data: str
    pictures: int
    least_side: float
    threads: int | None
    rows: list[BenchRow]
    problems: list[str]
    inference_precision: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the comparison for machines."""
        ours = self.rows[0].latency
        return {
            "data": self.data,
            "pictures": self.pictures,
            "least_side_px": self.least_side,
            "iou": 0.5,
            "threads": self.threads,
            "inference_precision": self.inference_precision,
            "frame": "640x480, one face, pixels to labels",
            "rows": [row.as_json(ours) for row in self.rows],
            "problems": {"count": len(self.problems), "lines": self.problems},
        }

    def absent(self) -> list[str]:
        """List the systems without figures, and why."""
        return [f"{row.name}: {row.problem}" for row in self.rows if row.problem is not None]

    def as_tables(self) -> list[Table]:
        """Return tables for people: faces found, verdicts, speed."""
        faces = Table(
            "system", "input", "face AP 50", "recall", "precision", "at",
            title=f"Faces of {self.least_side:.0f} px or more, {self.data}",
        )  # fmt: skip
        masks = Table(
            "system", "right verdict", "admits bare", "admits wrongly worn", "refuses masked",
            title="Verdicts (95 % intervals; a missed face is a wrong verdict)",
        )  # fmt: skip
        speed = Table(
            "system", "median ms", "p95 ms", "ours / this", "CPU ms", "faces",
            title=f"640x480 frame to labels, {self.threads or 'all'} threads",
        )  # fmt: skip
        ours = self.rows[0].latency
        for row in self.rows:
            if row.problem is not None or row.found is None:
                continue
            low, high = row.found.interval or (float("nan"), float("nan"))
            faces.add_row(
                row.name,
                row.size,
                f"{row.found.average_precision:.3f} ({low:.3f}–{high:.3f})",
                str(row.recall),
                str(row.precision),
                f"{row.threshold:.2f}",
            )
            if row.verdict_rates is not None:
                t = row.verdict_rates
                masks.add_row(
                    row.name,
                    str(t.right),
                    str(t.false_admit_without_mask),
                    str(t.false_admit_incorrect_mask),
                    str(t.false_refusal),
                )
            if row.latency is not None:
                ratio = f"{ours.median / row.latency.median:.2f}" if ours else "–"
                boxes = "" if row.verdict_rates is not None else " (boxes alone)"
                speed.add_row(
                    row.name + boxes,
                    f"{row.latency.median:.2f}",
                    f"{row.latency.p95:.2f}",
                    ratio,
                    f"{row.latency.processor:.2f}",
                    f"{row.latency.faces:.1f}",
                )
        return [faces, masks, speed]


def open_systems(
    models: Path, peers: Path | None, threads: int | None
) -> tuple[list[System], list[BenchRow]]:
    """Open our models and the peers' whose files are there.

    Args:
        models: Folder of our models.
        peers: Folder of the peers' files; None compares ours alone.
        threads: For inference; None leaves the number to the runtime.

    Returns:
        The systems, ours first, and a row for each peer that cannot be opened.

    Raises:
        ModelError: Our models cannot be run.
    """
    systems = [installed(pair, threads) for pair in pairs_in(models)]
    absent: list[BenchRow] = []
    if peers is None:
        return systems, absent
    for peer in PEERS:
        try:
            systems.append(_opened(peer, peers, threads))
        except ModelError as error:
            absent.append(BenchRow(peer.name, problem=str(error)))
    return systems, absent


def _opened(peer: Peer, folder: Path, threads: int | None) -> System:
    return replace(peer.open([folder / name for name in peer.files], threads), name=peer.name)


def run_bench(
    dataset: EvaluationSet,
    models: Path,
    peers: Path | None,
    *,
    threads: int | None = None,
    least: float = COUNTED,
    rounds: int = 20,
) -> BenchResult:
    """Judge and time all systems.

    Args:
        dataset: The pictures.
        models: Folder of our models.
        peers: Folder of the peers' files; None compares ours alone.
        threads: For inference; None leaves the number to the runtime.
        least: Shorter side in pixels from which a face counts.
        rounds: Turns of five frames for each system; 0 times nothing.

    Returns:
        The comparison.

    Raises:
        DataError: There is nothing to judge on.
        ModelError: Our models cannot be run.
    """
    if threads is not None:
        cv2.setNumThreads(threads)
    systems, absent = open_systems(models, peers, threads)
    boxed = dataset.boxed()
    found: list[list[Detections]] = [[] for _ in systems]
    judged: list[list[Outcome]] = [[] for _ in systems]
    labelled = [False] * len(systems)
    for record, picture in boxed.pictures("pictures"):
        for place, system in enumerate(systems):
            prediction = system.predict(picture, min(FAINTEST, system.threshold))
            found[place].append(prediction.faces)
            if prediction.labels is not None:
                labelled[place] = True
                judged[place] += outcomes(record, picture, prediction, system.threshold, least)
    latencies: list[Latency | None] = [None] * len(systems)
    if rounds:
        latencies = [*time_systems(systems, frames_of_one_face(dataset, systems), rounds)]
    rows = []
    for place, system in enumerate(systems):
        curve = detection_curve(boxed.records, found[place], least)
        hit, counted = curve.at(system.threshold)
        rows.append(
            BenchRow(
                system.name,
                system.size,
                system.origin,
                system.threshold,
                curve,
                Rate(hit, curve.faces),
                Rate(hit, counted),
                verdict_rates(judged[place]) if labelled[place] else None,
                latencies[place],
            )
        )
    return BenchResult(
        dataset.name,
        len(boxed.records),
        least,
        threads,
        [*rows, *absent],
        dataset.problems,
        systems[0].precision,
    )
