"""Wrongly worn masks that are drawn on bare faces without landmarks.

They measure a classifier whose validation pictures have no wrongly worn mask. A drawn mask is no
real one, so the figures say that they are of synthetic masks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.records.pictures import Pixels
from training.records.record import LABELS
from training.samples.dataset import PictureDataset
from training.samples.face_shape import estimated_shape, frontal_face
from training.samples.mask_crops import Sample, drawn, samples_of

Box = tuple[float, float, float, float]

FindBox = Callable[[Pixels], Box | None]
"""A picture u8 [H, W, 3] BGR → the box of its largest face in pixels, or None."""

_SEED = 17


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A face with a drawn mask.

    Attributes:
        picture: The part of the picture around the face, u8 [H, W, 3] BGR.
        box: The face's box in it, f32 [4], in pixels.
    """

    picture: Pixels
    box: NDArray[np.float32]


def wrongly_worn(dataset: PictureDataset, find_box: FindBox, least: float) -> list[DrawnFace]:
    """Draw a wrongly worn mask on each bare face of a split.

    The mask is under the nose or on the chin. Its place comes from the face's landmarks where the
    record has them, otherwise from an estimate by the box. Chance is seeded, so that the
    same faces always get the same masks.

    Args:
        dataset: The split.
        find_box: Finds the face in a picture of which nobody says where the face is.
        least: Shorter side in pixels from which a face counts.

    Returns:
        The faces; one of which no box is known, and none is found, is left out.
    """
    rng = np.random.default_rng(_SEED)
    bare = LABELS.index("without_mask")
    whole = dataset if dataset.mean is not None else replace(dataset, mean=frontal_face())
    faces = []
    for name, samples in samples_of(dataset).items():
        for sample in samples if name != "drawn" else ():
            if sample.label != bare:
                continue
            record = dataset.records[sample.index]
            box: Box | None = sample.box
            if not record.faces:
                box = find_box(dataset.pictures[sample.index])
            if box is None or min(box[2] - box[0], box[3] - box[1]) < least:
                continue
            points = sample.points
            if len(points) < 5:
                shape = estimated_shape(np.array(box, np.float32), rng)
                points = tuple((float(x), float(y)) for x, y in shape)
            faces.append(
                DrawnFace(
                    *drawn(
                        whole,
                        Sample(sample.index, box, -1, points, drawn=True),
                        LABELS.index("incorrect_mask"),
                        rng,
                    )
                )
            )
    return faces
