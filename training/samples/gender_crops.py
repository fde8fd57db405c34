"""Crops of adult faces for the gender head.

The labels are in the file names, as in UTKFace: age_gender_race_stamp.jpg. A label says how the
authors of the set saw a face, and not what a person is; the same holds for what a network learns
from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from training.boxes.cropping import cut, fitted
from training.errors import EmptyClassError, SingleClassError
from training.records.pictures import Pixels
from training.samples.augmentation import degrade
from training.samples.dataset import PictureDataset

GENDERS = ("male", "female")
"""The classes, in the order of the model's columns and of the digits in the file names."""

RACES = ("white", "black", "asian", "indian", "other")
"""The groups of UTKFace, in the order of the digits in the file names."""

ADULT = 18
"""Least age in years of a face that is used: faces of children are left out."""

AGE_BANDS = ((18, 30), (30, 45), (45, 60), (60, 200))
"""Ages in years of each band: from, and up to but not including."""


@dataclass(frozen=True, slots=True)
class Adult:
    """One adult face of a dataset.

    Attributes:
        index: Place of its picture in the dataset.
        box: x0, y0, x1, y1 in pixels of the picture.
        gender: Index of GENDERS.
        age: In years.
        race: Index of RACES.
    """

    index: int
    box: tuple[float, float, float, float]
    gender: int
    age: int
    race: int

    @property
    def band(self) -> str:
        """The age band of the person, as reports name it."""
        low, high = next(b for b in AGE_BANDS if b[0] <= self.age < b[1])
        return f"{low}-{high - 1}" if high < 200 else f"{low} and over"


def attributes_from_name(path: Path) -> tuple[int, int, int] | None:
    """Read age, gender and race from a file name.

    Args:
        path: The picture.

    Returns:
        Age in years, index of GENDERS and index of RACES; None if one is missing or means
        nothing, as in a few names of UTKFace.
    """
    parts = path.stem.split("_")
    if len(parts) < 4 or not all(p.isdigit() for p in parts[:3]):
        return None
    age, gender, race = (int(p) for p in parts[:3])
    if gender >= len(GENDERS) or race >= len(RACES) or not 0 < age < 200:
        return None
    return age, gender, race


def adults_of(dataset: PictureDataset) -> list[Adult]:
    """Find every adult of a dataset.

    Args:
        dataset: The pictures.

    Returns:
        The adults, in the order of the records.

    Raises:
        EmptyClassError: No file name is that of an adult.
        SingleClassError: All adults have one gender.
    """
    found = []
    for index, record in enumerate(dataset.records):
        said = attributes_from_name(Path(record.path))
        if said is None or said[0] < ADULT:
            continue
        whole = (0.0, 0.0, float(record.width), float(record.height))
        box = record.faces[0].box if record.faces else whole
        found.append(Adult(index, box, said[1], said[0], said[2]))
    if not found:
        raise EmptyClassError(
            "no face of an adult whose file is named age_gender_race_stamp (gender 0 male, 1 "
            "female); name the pictures so, put them into a folder gender/ and run prepare again"
        )
    if len({a.gender for a in found}) == 1:
        raise SingleClassError(
            f"every adult here is {GENDERS[found[0].gender]}; add faces of the other gender"
        )
    return found


def held_out_adults(
    dataset: PictureDataset, adults: list[Adult], size: int, margin: float
) -> tuple[Pixels, NDArray[np.int64]]:
    """Return crops u8 [N, S, S, 3], cut as at the edge, and the genders [N] of adults."""
    crops = [fitted(cut(dataset.pictures[a.index], a.box, margin), size) for a in adults]
    return np.stack(crops), np.array([a.gender for a in adults], np.int64)


class GenderCrops(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """An endless stream of batches for the gender head.

    A batch is crops u8 [B, S, S, 3] BGR and genders int64 [B]. Both genders are equally frequent.
    Within a gender, each race is drawn in proportion to the square root of its number of faces:
    more often than it occurs, and not so often that the network learns single faces by heart.
    """

    def __init__(
        self, dataset: PictureDataset, size: int, margin: float, batch: int, seed: int
    ) -> None:
        super().__init__()
        self.dataset, self.size, self.margin, self.batch, self.seed = (
            dataset,
            size,
            margin,
            batch,
            seed,
        )
        self._pools: list[tuple[NDArray[np.float64], list[list[Adult]]]] = []
        everybody = adults_of(dataset)
        for gender in range(len(GENDERS)):
            groups = [
                mine
                for race in range(len(RACES))
                if (mine := [a for a in everybody if (a.gender, a.race) == (gender, race)])
            ]
            roots = np.sqrt([len(g) for g in groups])
            self._pools.append((roots / roots.sum(), groups))

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            crops = np.empty((self.batch, self.size, self.size, 3), np.uint8)
            genders = rng.integers(0, len(GENDERS), self.batch)
            for i, gender in enumerate(genders):
                crops[i] = self.crop(int(gender), rng)
            yield torch.from_numpy(crops), torch.from_numpy(genders.astype(np.int64))

    def crop(self, gender: int, rng: np.random.Generator) -> Pixels:
        """Return one augmented crop of a gender, u8 [S, S, 3]."""
        shares, groups = self._pools[gender]
        group = groups[int(rng.choice(len(groups), p=shares))]
        adult = group[int(rng.integers(len(group)))]
        picture, box = self.dataset.pictures[adult.index], np.array(adult.box, np.float32)
        side = float(max(box[2] - box[0], box[3] - box[1]))
        box = box + np.tile(rng.normal(0, 0.05 * side, 2), 2).astype(np.float32)
        margin = self.margin + float(rng.uniform(-0.3, 0.3))
        out = fitted(cut(picture, box.tolist(), margin), self.size)
        middle = (self.size / 2, self.size / 2)
        matrix = cv2.getRotationMatrix2D(
            middle, float(rng.normal(0, 9)), float(rng.uniform(0.92, 1.12))
        )
        out = np.asarray(
            cv2.warpAffine(out, matrix, (self.size, self.size), borderMode=cv2.BORDER_REFLECT),
            np.uint8,
        )
        if rng.random() < 0.5:
            out = np.ascontiguousarray(out[:, ::-1])
        if rng.random() < 0.25:  # as small as a face may be at the door
            low = int(np.exp(rng.uniform(np.log(32), np.log(self.size))))
            small = cv2.resize(out, (low, low), interpolation=cv2.INTER_AREA)
            out = fitted(np.asarray(small, np.uint8), self.size)
        out = degrade(out, rng, 0.8)
        if rng.random() < 0.25:
            out = erased(out, rng)
        return out


def erased(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Fill one rectangle of a crop with noise, so that no single feature of a face decides.

    Random Erasing: Zhong et al., 2020.

    Args:
        crop: u8 [S, S, 3].
        rng: Source of chance.

    Returns:
        A changed copy.
    """
    size = crop.shape[0]
    height, width = (int(v) for v in rng.integers(size // 8, size // 3, 2))
    y, x = int(rng.integers(0, size - height)), int(rng.integers(0, size - width))
    out = crop.copy()
    out[y : y + height, x : x + width] = rng.integers(0, 256, (height, width, 3), np.uint8)
    return out


GENDER_SET = {"gender"}
"""The sets whose file names say a gender."""
