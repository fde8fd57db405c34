"""The accuracy of a pair of models on a split, run as the edge runs them.

Models of any precision are measured alike.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from training.graphs.installed import InstalledClassifier, InstalledDetector, ModelPair, installed
from training.graphs.system import System
from training.measuring.average_precision import face_ap
from training.measuring.classification_report import macro_f1
from training.measuring.matching import outcomes
from training.measuring.speed import Latency, camera_frame, finds_one_face, time_systems
from training.measuring.validation_dataset import boxed_pictures
from training.networks.detection import FAINTEST
from training.records.pictures import Pixels
from training.samples.dataset import PictureDataset
from training.samples.mask_crops import HeldOutCrops


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The figures of a pair of models, 0…1.

    Attributes:
        face_ap_50: Average precision of the detector at IoU 0.5.
        macro_f1: Of the classifier.
        right_verdict: Share of labelled faces with the right verdict of both models.
    """

    face_ap_50: float
    macro_f1: float
    right_verdict: float

    def drops(self, other: "Accuracy") -> dict[str, float]:
        """Compute by how much another pair is worse.

        Args:
            other: The other pair's figures.

        Returns:
            The drop of each figure; negative where the other pair is better.
        """
        mine, theirs = asdict(self), asdict(other)
        return {name: round(mine[name] - theirs[name], 4) for name in mine}


class MeasuredSplit:
    """A split on which models are measured.

    Args:
        dataset: Its pictures.
        held: Its face crops.
    """

    def __init__(self, dataset: PictureDataset, held: HeldOutCrops) -> None:
        self.dataset, self.held = dataset, held
        self.boxed = boxed_pictures(dataset)

    def face_ap(self, detector: InstalledDetector) -> float:
        """Compute the average precision of a detector at IoU 0.5."""
        found = [detector.find(self.dataset.pictures[i], FAINTEST).faces for i in self.boxed]
        return face_ap(self.dataset, self.boxed, found)

    def macro_f1(self, classifier: InstalledClassifier) -> float:
        """Compute macro F1 of a classifier on the real crops, those with drawn masks left out."""
        real = np.array([name != "drawn" for name in self.held.sets])
        said = [classifier.label(classifier.probabilities(c)) for c in self.held.crops[real]]
        return macro_f1(self.held.labels[real], np.array(said, np.int64))

    def right_verdict(self, system: System) -> float:
        """Compute the share of labelled faces with the right verdict.

        The verdict on a masked face is right if it is with_mask, and on any other face if it is
        not. A face that is not found counts as wrong.

        Args:
            system: Detector and classifier.

        Returns:
            0…1.
        """
        done = []
        for i in self.boxed:
            record, picture = self.dataset.records[i], self.dataset.pictures[i]
            prediction = system.predict(picture, system.threshold)
            done += outcomes(record, picture, prediction, system.threshold)
        return sum(outcome.right for outcome in done) / max(1, len(done))

    def accuracy(self, pair: ModelPair) -> Accuracy:
        """Measure a pair of models.

        Args:
            pair: Detector and classifier.

        Returns:
            All three figures.

        Raises:
            ModelError: A model cannot be run.
        """
        return Accuracy(
            round(self.face_ap(InstalledDetector(pair.detector)), 4),
            round(self.macro_f1(InstalledClassifier(pair.classifier)), 4),
            round(self.right_verdict(installed(pair)), 4),
        )

    def frame(self, system: System) -> Pixels:
        """Find a camera's frame of 640x480 on which a system finds one face, or take the first.

        Args:
            system: Detector and classifier.

        Returns:
            BGR u8 [480, 640, 3].
        """
        frames = (camera_frame(self.dataset.pictures[i]) for i in self.boxed)
        first = camera_frame(self.dataset.pictures[self.boxed[0]])
        return next((frame for frame in frames if finds_one_face(system, frame)), first)


def latencies(
    split: MeasuredSplit, pairs: Sequence[ModelPair], threads: Sequence[int], turns: int = 12
) -> dict[str, Latency]:
    """Time pairs of models on one frame, in turns of five frames each.

    Args:
        split: The split from which the frame is taken.
        pairs: The pairs.
        threads: Numbers of threads; each pair is timed with each of them.
        turns: Turns of each pair.

    Returns:
        The latency from a frame to labels, by `timing_name`.

    Raises:
        ModelError: A model cannot be run.
    """
    systems = [
        replace(installed(pair, count), name=timing_name(pair.name, count))
        for count in threads
        for pair in pairs
    ]
    times = time_systems(systems, [split.frame(systems[0])], turns)
    return {system.name: latency for system, latency in zip(systems, times, strict=True)}


def timing_name(name: str, threads: int) -> str:
    """Return the name of a pair and a number of threads in `latencies`."""
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"
