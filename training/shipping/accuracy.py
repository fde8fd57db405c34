"""What a pair of models is worth, as the edge would run it: on the validation split, whatever their
precision.
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
from training.measuring.validation_album import boxed_pictures
from training.records.pictures import Pixels
from training.samples.dataset import PictureDataset
from training.samples.mask_crops import HeldOutCrops

_FAINTEST = 0.02
"""Score from which a detection counts towards the average precision."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Figures of a pair of models, 0…1."""

    face_ap_50: float
    macro_f1: float
    right_verdict: float

    def drops(self, other: "Accuracy") -> dict[str, float]:
        """By how much the other is worse, each figure; negative where it is better."""
        mine, theirs = asdict(self), asdict(other)
        return {name: round(mine[name] - theirs[name], 4) for name in mine}


class ValidationSplit:
    """What models are measured on.

    Args:
        album: The validation split.
        held: Its face crops.
    """

    def __init__(self, album: PictureDataset, held: HeldOutCrops) -> None:
        self.album, self.held = album, held
        self.boxed = boxed_pictures(album)

    def face_ap(self, detector: InstalledDetector) -> float:
        """Face AP at IoU 0.5."""
        found = [detector.find(self.album.pictures[i], _FAINTEST).faces for i in self.boxed]
        return face_ap(self.album, self.boxed, found)

    def macro_f1(self, classifier: InstalledClassifier) -> float:
        """Macro F1 of the real crops, those with drawn masks aside."""
        real = np.array([name != "drawn" for name in self.held.sets])
        said = [classifier.label(classifier.probabilities(c)) for c in self.held.crops[real]]
        return macro_f1(self.held.labels[real], np.array(said, np.int64))

    def right_verdict(self, system: System) -> float:
        """Share of labelled faces with the right verdict: masked ones with_mask, others anything
        but; one that is not found counts as wrong.
        """
        done = []
        for i in self.boxed:
            record, picture = self.album.records[i], self.album.pictures[i]
            sight = system.predict(picture, system.threshold)
            done += outcomes(record, picture, sight, system.threshold)
        return sum(outcome.right for outcome in done) / max(1, len(done))

    def accuracy(self, pair: ModelPair) -> Accuracy:
        """All three figures of a pair of models. Raises ModelError."""
        return Accuracy(
            round(self.face_ap(InstalledDetector(pair.detector)), 4),
            round(self.macro_f1(InstalledClassifier(pair.classifier)), 4),
            round(self.right_verdict(installed(pair)), 4),
        )

    def frame(self, system: System) -> Pixels:
        """A camera's frame of 640×480 with one face in it, as far as this system sees one."""
        frames = (camera_frame(self.album.pictures[i]) for i in self.boxed)
        first = camera_frame(self.album.pictures[self.boxed[0]])
        return next((frame for frame in frames if finds_one_face(system, frame)), first)


def latencies(
    split: ValidationSplit, pairs: Sequence[ModelPair], threads: Sequence[int], turns: int = 12
) -> dict[str, Latency]:
    """How long a frame takes to its labels, by each pair's name and number of threads; by turns of
    five frames each. Raises ModelError.
    """
    systems = [
        replace(installed(pair, count), name=timing_name(pair.name, count))
        for count in threads
        for pair in pairs
    ]
    times = time_systems(systems, [split.frame(systems[0])], turns)
    return {system.name: latency for system, latency in zip(systems, times, strict=True)}


def timing_name(name: str, threads: int) -> str:
    """A pair's name in `latencies`."""
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"
