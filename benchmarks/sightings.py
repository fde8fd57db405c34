"""python -m benchmarks.sightings: verdicts of sightings beside labels of single frames.

Validation faces become image sequences as a camera at a door would give them: it moves, the light
changes, some frames are smeared, all are compressed. They run through the edge's own detector,
classifier and vote, as `python -m edge run` would judge them.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cloud.contract import Label
from edge.faces import FaceDetector
from edge.inference import loading
from edge.inference.processor import preferred_precision
from edge.loaded_models import LoadedModels
from edge.manifest import Role, find
from edge.masks import MaskClassifier
from edge.settings import MODELS_DIR
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Box, Image, Judgement, Verdict
from training.errors import MissingDataError
from training.measuring.evaluation_set import EvaluationSet, open_evaluation_set
from training.measuring.intervals import Rate
from training.measuring.matching import is_counted
from training.records.pictures import read_picture
from training.records.record import FaceRecord
from training.storage import write_json

FRAMES = 25
FPS = 8.0
"""Frames a second that a small device judges."""

WIDTH, HEIGHT = 640, 480
_START = datetime(2026, 1, 1, tzinfo=UTC)
_ON_FACE = 0.5
"""IoU from which a box is on the face that the sequence is about."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of a sequence and where the face is in it."""

    image: Image
    face: Box


@dataclass(frozen=True, slots=True)
class Result:
    """One sequence.

    Attributes:
        truth: What the face wears.
        labels: What was said of it in each frame; None where it was not found.
        verdicts: What its sightings ended in, in order.
    """

    truth: Label
    labels: list[Label | None]
    verdicts: list[Label]


def shots(
    picture: Image, face: FaceRecord, rng: np.random.Generator, count: int = FRAMES
) -> Iterator[Shot]:
    """Make a sequence from one picture: the face 60 to 160 px wide in a frame of 640x480.

    The camera sways and comes nearer by up to a fifth; the light drifts between 0.6 and 1.4 of the
    picture's, with a gamma; up to a third of the frames are smeared by movement; sensor noise; JPEG
    of quality 35 to 85.

    Yields:
        Each frame, with the box of the face in it.
    """
    x0, y0, x1, y1 = face.box
    wide = max(x1 - x0, y1 - y0)
    scale = float(rng.uniform(60, 160)) / wide
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    place = np.array([rng.uniform(0.3, 0.7) * WIDTH, rng.uniform(0.35, 0.65) * HEIGHT])
    sway = rng.uniform(0.04, 0.2, 2) * wide * scale
    phase, speed = rng.uniform(0, 2 * math.pi, 2), rng.uniform(0.5, 1.5, 2)
    nearer, tilt = rng.uniform(0.0, 0.2), rng.uniform(-6, 6)
    light = rng.uniform(0.6, 1.4, 2)
    gamma = float(rng.uniform(0.8, 1.3))
    noise, quality = float(rng.uniform(0, 6)), int(rng.integers(35, 86))
    smeared = rng.uniform(0.05, 0.35)
    for n in range(count):
        share = n / max(1, count - 1)
        zoom = scale * (1 + nearer * share)
        angle = tilt * math.sin(2 * math.pi * speed[0] * share)
        matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, zoom)
        moved = place + sway * np.sin(2 * math.pi * speed * share + phase)
        matrix[:, 2] += moved - middle
        image = cv2.warpAffine(
            picture,
            matrix,
            (WIDTH, HEIGHT),
            flags=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float32)
        bright = light[0] + (light[1] - light[0]) * share
        lit = (np.clip(image * bright, 0, 255) / 255) ** gamma * 255
        image = np.asarray(lit, np.float32)
        if rng.random() < smeared:
            kernel = _smear(int(rng.integers(3, 10)), rng)
            image = np.asarray(cv2.filter2D(image, -1, kernel), np.float32)
        grain = rng.normal(0, noise, image.shape)
        clipped = np.clip(image + grain, 0, 255).astype(np.uint8)
        _, coded = cv2.imencode(".jpg", clipped, [cv2.IMWRITE_JPEG_QUALITY, quality])
        half = np.array([x1 - x0, y1 - y0]) * zoom / 2
        yield Shot(
            np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8),
            Box(*(float(v) for v in (*(moved - half), *(moved + half)))),
        )


def _smear(
    length: int, rng: np.random.Generator
) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """The kernel of a movement in a straight line while the shutter is open."""
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(0, 180), 1)
    turned = cv2.warpAffine(kernel, turn, (length, length))
    return np.asarray(turned / max(float(turned.sum()), 1e-6), np.float32)


def run(models: LoadedModels, truth: Label, sequence: Sequence[Shot] | Iterator[Shot]) -> Result:
    """Judge a sequence as the edge does: every face of a frame, then the vote.

    Args:
        models: The models of the edge.
        truth: The label of the face.
        sequence: The frames.

    Returns:
        The labels, and the verdicts of the sightings whose box is on the face.
    """
    sightings = SightingTracker(VotingRules(certain_threshold=models.detector.certain_threshold))
    labels: list[Label | None] = []
    verdicts: list[Label] = []
    for n, shot in enumerate(sequence):
        faces = models.detector.detect(shot.image)
        judgeable = [f for f in faces if models.classifier.can_judge(f)]
        tracked = sightings.associate(judgeable, n / FPS, shot.image)[:4]
        # Each frame is judged for the figures per frame; only those votes count that a door casts.
        judged = models.classifier.judge(shot.image, [t.face for t in tracked])
        labels.append(_on(judged, shot.face))
        due = [(t, j) for t, j in zip(tracked, judged, strict=True) if t.known is None]
        at = _START + timedelta(seconds=n / FPS)
        settled = sightings.vote([t for t, _ in due], [j for _, j in due], at)
        verdicts += [v.label for v in settled if _near(v, shot.face)]
    return Result(truth, labels, verdicts)


def _on(judged: Sequence[Judgement], face: Box) -> Label | None:
    best = max(judged, key=lambda j: j.face.box.iou(face), default=None)
    if best is None or best.face.box.iou(face) < _ON_FACE:
        return None
    return best.label


def _near(verdict: Verdict, face: Box) -> bool:
    return verdict.box.iou(face) >= _ON_FACE


@dataclass(frozen=True, slots=True)
class Report:
    """Rates per frame and per sighting, of the same faces.

    Attributes:
        data: What the faces are from.
        seed: Of the sequences.
        results: One for each face.
        left_out: How many faces, and why.
    """

    data: str
    seed: int
    results: list[Result]
    left_out: Counter[str]

    def rates(self) -> dict[str, tuple[Rate, Rate]]:
        """Return each figure by frame and by sighting.

        Returns:
            The figures by name. Frames count where the face was found and judged; sequences count
            where they have a verdict, and are admitted where any verdict admits.
        """

        def pair(truths: set[Label], admitted: bool) -> tuple[Rate, Rate]:
            mine = [r for r in self.results if r.truth in truths]
            frames = [
                (label is Label.WITH_MASK) == admitted
                for r in mine
                for label in r.labels
                if label is not None
            ]
            ended = [(Label.WITH_MASK in r.verdicts) == admitted for r in mine if r.verdicts]
            return Rate(sum(frames), len(frames)), Rate(sum(ended), len(ended))

        found = [label is not None for r in self.results for label in r.labels]
        decided = [bool(r.verdicts) for r in self.results]
        return {
            "false_admit_without_mask": pair({Label.WITHOUT_MASK}, True),
            "false_admit_incorrect_mask": pair({Label.INCORRECT_MASK}, True),
            "false_refusal": pair({Label.WITH_MASK}, False),
            "found_or_decided": (
                Rate(sum(found), len(found)),
                Rate(sum(decided), len(decided)),
            ),
        }

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "data": self.data,
            "seed": self.seed,
            "sequences": len(self.results),
            "frames_each": FRAMES,
            "by_label": dict(Counter(str(r.truth) for r in self.results)),
            **{
                name: {"per_frame": frame.as_json(), "per_sighting": sighting.as_json()}
                for name, (frame, sighting) in self.rates().items()
            },
            "sightings_of_one_face_with_more_than_one_verdict": sum(
                len(r.verdicts) > 1 for r in self.results
            ),
            "left_out": dict(self.left_out),
        }

    def as_table(self) -> Table:
        """For people."""
        table = Table("figure (95 % interval)", "per frame", "of", "per sighting", "of")
        table.title = f"{len(self.results)} sequences of {FRAMES} frames, {self.data}"
        for name, (frame, sighting) in self.rates().items():
            table.add_row(
                name.replace("_", " "), str(frame), str(frame.of), str(sighting), str(sighting.of)
            )
        return table


def report(
    dataset: EvaluationSet, models: LoadedModels, *, seed: int, most: int, least: float
) -> Report:
    """Make and run a sequence for each labelled face, `most` of each label at the most.

    Args:
        dataset: The pictures with their faces.
        models: The models of the edge.
        seed: The same seed makes the same sequences.
        most: Sequences of each label, at most.
        least: The shorter side in pixels of the smallest face.

    Returns:
        The results.

    Raises:
        MissingDataError: A picture can no longer be read.
        EdgeError: A model failed.
    """
    models.detector.expect(HEIGHT, WIDTH)
    rng = np.random.default_rng(seed)
    records = [dataset.records[i] for i in rng.permutation(len(dataset.records))]
    results: list[Result] = []
    taken: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    bar = track(records, "sequences", console=Console(stderr=True), transient=True)
    wanted = {
        id(r): [f for f in r.faces if f.label is not None and is_counted(f, least)] for r in records
    }
    left_out[f"unlabelled, to be ignored, or smaller than {least:.0f} px"] = sum(
        len(r.faces) - len(wanted[id(r)]) for r in records
    )
    for record in bar:
        faces = []
        for face in wanted[id(record)]:
            if taken[str(face.label)] < most:
                taken[str(face.label)] += 1
                faces.append(face)
            else:
                left_out[f"more than {most} of a label"] += 1
        if not faces:
            continue
        picture = read_picture(Path(record.path))
        if picture is None:
            raise MissingDataError(
                f"{record.path} was there and readable and no longer is; run the command again"
            )
        for face in faces:
            results.append(run(models, Label(str(face.label)), shots(picture, face, rng)))
    return Report(dataset.name, seed, results, +left_out)


def open_models(folder: Path, threads: int) -> LoadedModels:
    """Open the edge's own models as `run` does on this machine. Raises EdgeError."""
    preferred = preferred_precision()
    detector, classifier = (
        loading.load(find(role, folder, preferred=preferred), threads=threads, mirror=False)
        for role in (Role.DETECTOR, Role.CLASSIFIER)
    )
    return LoadedModels(FaceDetector(detector), MaskClassifier(classifier))


def main(
    *,
    prepared: Annotated[Path, typer.Option(help="What `python -m training prepare` wrote.")] = Path(
        "var/training/prepared"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Pictures with boxes instead: COCO, VOC or YOLO.")
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder of the edge's models.")] = MODELS_DIR,
    most: Annotated[int, typer.Option(help="Sequences of each label, at the most.", min=1)] = 100,
    least_side: Annotated[
        float, typer.Option(help="Shorter side in pixels of the faces that are used.", min=1)
    ] = 48,
    seed: Annotated[int, typer.Option(help="The same seed makes the same sequences.")] = 0,
    threads: Annotated[int, typer.Option(help="For inference.", min=1)] = 2,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures for machines here, too.")
    ] = None,
) -> None:
    """Count false admits and refusals, per frame and per sighting, on validation faces."""
    dataset = open_evaluation_set(prepared, data).boxed()
    done = report(dataset, open_models(models, threads), seed=seed, most=most, least=least_side)
    Console(stderr=True).print(done.as_table())
    if json_file is not None:
        write_json(done.as_json(), json_file)
    typer.echo(json.dumps(done.as_json(), indent=1))


if __name__ == "__main__":
    typer.run(main)
