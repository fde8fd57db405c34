"""Crops of faces for the mask classifier.

Crops are cut as the edge cuts them. On some bare faces a mask is drawn, worn rightly or wrongly,
or something else; all classes are degraded alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from training.boxes.cropping import cut, fitted
from training.errors import EmptyClassError, SingleClassError
from training.records.pictures import Pixels
from training.records.record import LABELS
from training.samples.augmentation import degrade
from training.samples.dataset import PictureDataset
from training.samples.face_shape import estimated_shape
from training.samples.synthetic_masks import complete_points, draw_mask, draw_occlusion

SMALLEST = 24.0
"""Least shorter side of a face in pixels; in a smaller one nobody can see a mask."""

# Shares of the three classes in a batch. incorrect_mask has the fewest real pictures: with a larger
# share, the same ones would come again and again.
_SHARES = (0.41, 0.38, 0.21)
# Weight of each set within its class. "drawn" are bare faces on which a mask, or something else, is
# drawn.
_WEIGHTS = {
    "detection": 0.42,
    "crops": 0.3,
    "masked_people": 0.2,
    "gender": 0.15,
    "keypoints": 0.08,
    "portraits_cc_by": 0.04,
    "drawn": 0.3,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One face.

    Attributes:
        index: Place of its picture in the dataset.
        box: x0, y0, x1, y1 in pixels of the picture.
        label: Index of LABELS; -1 where the drawing decides it.
        points: 5 or 68 landmarks in pixels, or none.
        drawn: Whether a mask or an occlusion is to be drawn on it.
    """

    index: int
    box: tuple[float, float, float, float]
    label: int
    points: tuple[tuple[float, float], ...] = ()
    drawn: bool = False


def samples_of(dataset: PictureDataset) -> dict[str, list[Sample]]:
    """Find every face that is large enough to be judged.

    Args:
        dataset: The pictures.

    Returns:
        The faces of each set. Bare faces with landmarks are there a second time, under "drawn".
        If no face of the dataset has 68 landmarks, all bare faces are: their landmarks are
        estimated (`estimated_shape`).
    """
    estimated = dataset.mean is None
    found: dict[str, list[Sample]] = {}
    for index, record in enumerate(dataset.records):
        whole = (0.0, 0.0, float(record.width), float(record.height))
        if record.crop is not None:
            box = record.faces[0].box if record.faces else whole
            points = record.faces[0].points if record.faces else ()
            faces = [(box, record.crop, points)]
        else:
            # In masked_people everybody wears a mask properly; a portrait in the studio shows a
            # bare face.
            unsaid = {"masked_people": "with_mask", "portraits_cc_by": "without_mask"}.get(
                record.set
            )
            faces = [(f.box, f.label or unsaid, f.points) for f in record.faces if not f.ignore]  # type: ignore[misc]
        for box, label, points in faces:
            if label is None or min(box[2] - box[0], box[3] - box[1]) < SMALLEST:
                continue
            sample = Sample(index, box, LABELS.index(label), points)
            found.setdefault(record.set, []).append(sample)
            if label == "without_mask" and (estimated or len(points) >= 5):
                found.setdefault("drawn", []).append(Sample(index, box, -1, points, drawn=True))
    return found


class MaskCrops(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """An endless stream of batches for the mask classifier.

    A batch is crops u8 [B, S, S, 3] BGR and labels int64 [B].

    Raises:
        EmptyClassError: No face is labelled and large enough.
        SingleClassError: All faces have one label.
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
        found = samples_of(dataset)
        self._pools: list[list[tuple[float, list[Sample]]]] = []
        for label in range(len(LABELS)):
            pools = []
            for name, samples in found.items():
                mine = samples if name == "drawn" else [s for s in samples if s.label == label]
                if mine:
                    pools.append((_WEIGHTS.get(name, 0.5), mine))
            self._pools.append(pools)
        labelled = {s.label for name in found if name != "drawn" for s in found[name]}
        # Bare faces alone do not say what a mask looks like at the user's door. Sets of faces with
        # landmarks are trained on beside others.
        dressed = "drawn" in found and dataset.mean is not None
        present = [name for i, name in enumerate(LABELS) if dressed or i in labelled]
        if len(present) == 0:
            raise EmptyClassError(
                f"no face of {SMALLEST:.0f} px or more in the training split; add larger faces"
            )
        if len(present) == 1:
            raise SingleClassError(
                f"every face in the training split is {present[0]}; add faces of another class"
            )
        shares = [s if p else 0.0 for s, p in zip(_SHARES, self._pools, strict=True)]
        self._shares = [s / sum(shares) for s in shares]

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            crops = np.empty((self.batch, self.size, self.size, 3), np.uint8)
            labels = rng.choice(len(LABELS), self.batch, p=self._shares)
            for i, label in enumerate(labels):
                crops[i] = self.crop(int(label), rng)
            yield torch.from_numpy(crops), torch.from_numpy(labels.astype(np.int64))

    def crop(self, label: int, rng: np.random.Generator) -> Pixels:
        """Return one augmented crop of a class, u8 [S, S, 3]."""
        pools = self._pools[label]
        weights = np.array([w for w, _ in pools])
        samples = pools[int(rng.choice(len(pools), p=weights / weights.sum()))][1]
        sample = samples[int(rng.integers(len(samples)))]
        picture = self.dataset.pictures[sample.index]
        box = np.array(sample.box, np.float32)
        whole = self.dataset.records[sample.index].crop is not None and rng.random() < 0.4
        if sample.drawn:
            picture, box = drawn(self.dataset, sample, label, rng)
        elif whole:
            box = np.array([0, 0, picture.shape[1], picture.shape[0]], np.float32)
        side = float(max(box[2] - box[0], box[3] - box[1]))
        box = box + np.tile(rng.normal(0, 0.05 * side, 2), 2).astype(np.float32)
        crop = cut(picture, box, self.margin + float(rng.uniform(-0.25, 0.3)))  # type: ignore[arg-type]
        out = fitted(crop, self.size)
        if rng.random() < 0.4:
            matrix = cv2.getRotationMatrix2D(
                (self.size / 2, self.size / 2),
                float(rng.uniform(-18, 18)),
                float(rng.uniform(0.95, 1.15)),
            )
            out = np.asarray(
                cv2.warpAffine(out, matrix, (self.size, self.size), borderMode=cv2.BORDER_REFLECT),
                np.uint8,
            )
        if rng.random() < 0.5:
            out = np.ascontiguousarray(out[:, ::-1])
        if rng.random() < 0.3:  # as small as a face at the door may be
            low = int(np.exp(rng.uniform(np.log(20), np.log(self.size))))
            out = fitted(
                np.asarray(cv2.resize(out, (low, low), interpolation=cv2.INTER_AREA), np.uint8),
                self.size,
            )
        return degrade(out, rng)


def drawn(
    dataset: PictureDataset, sample: Sample, label: int, rng: np.random.Generator
) -> tuple[Pixels, NDArray[np.float32]]:
    """Draw on a bare face what makes it a face of another class.

    Args:
        dataset: The pictures and the mask templates.
        sample: The bare face.
        label: Index of LABELS: the class that the face is to be of.
        rng: Source of chance.

    Returns:
        The part of the picture around the face, u8 [h, w, 3], and the face's box in it, f32 [4].
    """
    box = np.array(sample.box, np.float32)
    source = dataset.pictures[sample.index]
    room = 0.6 * max(box[2] - box[0], box[3] - box[1])
    x0, y0 = np.maximum(box[:2] - room, 0).astype(int)
    x1, y1 = np.minimum(box[2:] + room, (source.shape[1], source.shape[0])).astype(int)
    part = source[y0:y1, x0:x1].copy()
    offset = np.array([x0, y0], np.float32)
    scale = min(1.0, 200 / max(part.shape[:2]))
    if scale < 1:
        part = np.asarray(
            cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    landmarks = (
        estimated_shape(box, rng)
        if dataset.mean is None
        else complete_points(np.array(sample.points, np.float32), dataset.mean)
    )
    shape = (landmarks - offset) * np.float32(scale)
    if LABELS[label] == "with_mask":
        draw_mask(part, shape, "right", dataset.templates, rng)
        if rng.random() < 0.1:  # somebody with a mask may hold something before it
            draw_occlusion(part, shape, None, rng)
    elif LABELS[label] == "incorrect_mask":
        draw_mask(
            part, shape, "below_nose" if rng.random() < 0.6 else "on_chin", dataset.templates, rng
        )
    else:
        texture = dataset.pictures[int(rng.integers(len(dataset.pictures)))]
        draw_occlusion(part, shape, texture, rng)
    return part, (box - np.tile(offset, 2)) * np.float32(scale)


@dataclass(frozen=True, slots=True)
class HeldOutCrops:
    """Crops that a model is judged on.

    Attributes:
        crops: u8 [N, S, S, 3] BGR.
        labels: Index of LABELS for each crop, [N].
        sets: The set that each crop is from; "drawn" for those that were drawn on.
        sides: Shorter side of each face in pixels of its picture, f32 [N].
        places: Place of each face's picture in the dataset, [N].
    """

    crops: Pixels
    labels: NDArray[np.int64]
    sets: list[str]
    sides: NDArray[np.float32]
    places: NDArray[np.int64]


def held_out_crops(
    dataset: PictureDataset, size: int, margin: float, least: float = 32.0
) -> HeldOutCrops:
    """Cut every face of a split as the edge cuts it.

    Args:
        dataset: The split.
        size: Side of a crop in pixels.
        margin: Room around the face, as a share of its longer side.
        least: Least shorter side of a face in pixels.

    Returns:
        The crops. Three in ten of the bare faces with landmarks come again under the set "drawn",
        with a mask or an occlusion drawn on them; the drawing is seeded.

    Raises:
        EmptyClassError: No face is labelled and large enough.
    """
    crops, labels, sets, sides, places = [], [], [], [], []
    rng = np.random.default_rng(7)
    for name, samples in samples_of(dataset).items():
        for sample in samples:
            side = min(sample.box[2] - sample.box[0], sample.box[3] - sample.box[1])
            if side < least or (name == "drawn" and rng.random() > 0.3):
                continue
            picture, box, label = (
                dataset.pictures[sample.index],
                np.array(sample.box, np.float32),
                sample.label,
            )
            if sample.drawn:
                label = int(rng.integers(len(LABELS)))
                picture, box = drawn(dataset, sample, label, rng)
            crops.append(fitted(cut(picture, box, margin), size))  # type: ignore[arg-type]
            labels.append(label)
            sets.append(name)
            sides.append(side)
            places.append(sample.index)
    if not crops:
        raise EmptyClassError(
            "no labelled face in the validation split; add pictures from more sources and run "
            "prepare again"
        )
    return HeldOutCrops(
        np.stack(crops),
        np.array(labels, np.int64),
        sets,
        np.array(sides, np.float32),
        np.array(places, np.int64),
    )


def real(held: HeldOutCrops) -> NDArray[np.bool_]:
    """Return which crops [N] count for the figures.

    Drawn crops do not count. If there are crops of `detection` or `crops`, only these count: the
    other sets have one class each.
    """
    known = np.array([s in ("detection", "crops") for s in held.sets])
    return known if known.any() else np.array([s != "drawn" for s in held.sets])
