"""Datasets made in memory, for tests of what is built from them."""

import numpy as np

from tests.training.tiny import draw_face, scene
from training.records.record import FaceRecord, Record
from training.samples.dataset import PictureDataset
from training.samples.synthetic_masks import Points

Pixels = np.ndarray


def mean_face() -> Points:
    """68 points of a face that looks ahead, eye distance about one, the nose tip at 0, 0."""
    points = np.zeros((68, 2), np.float32)
    angles = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack([np.cos(angles) * 1.1, np.sin(angles) * 1.3 - 0.1], -1)
    points[17:27] = np.stack([np.linspace(-0.9, 0.9, 10), np.full(10, -0.95)], -1)
    points[27:31] = np.stack([np.zeros(4), np.linspace(-0.6, 0, 4)], -1)
    points[31:36] = np.stack([np.linspace(-0.25, 0.25, 5), np.full(5, 0.12)], -1)
    for start, x in ((36, -0.5), (42, 0.5)):
        turn = np.linspace(0, 2 * np.pi, 6, endpoint=False)
        points[start : start + 6] = np.stack(
            [x + 0.15 * np.cos(turn), -0.6 + 0.07 * np.sin(turn)], -1
        )
    turn = np.linspace(np.pi, 3 * np.pi, 20, endpoint=False)
    points[48:68] = np.stack([0.35 * np.cos(turn), 0.5 + 0.1 * np.sin(turn)], -1)
    points[48], points[54] = (-0.35, 0.5), (0.35, 0.5)
    return points


def boxed_dataset(count: int = 6) -> PictureDataset:
    records, pictures = [], []
    for n in range(count):
        picture, faces = scene(n)
        found = tuple(FaceRecord(tuple(map(float, box)), label) for box, label in faces)  # type: ignore[arg-type]
        records.append(
            Record("detection", f"{n}.png", f"d/{n}", "train", 160, 120, True, None, found)
        )
        pictures.append(picture.astype(np.uint8))
    return PictureDataset(records, pictures, [], None)


def bare_dataset(count: int = 4) -> PictureDataset:
    """Bare faces with 68 points, one a picture of 200 x 200."""
    records, pictures = [], []
    for n in range(count):
        picture = np.full((200, 200, 3), 60 + 20 * n, np.uint8)
        draw_face(picture, (40, 30, 160, 180), "without_mask")
        points = mean_face() * 50 + (100, 105)
        face = FaceRecord(
            (40.0, 30.0, 160.0, 180.0),
            "without_mask",
            False,
            tuple((float(x), float(y)) for x, y in points),
        )
        records.append(
            Record("keypoints", f"{n}.png", f"k/{n}", "train", 200, 200, True, None, (face,))
        )
        pictures.append(picture)
    return PictureDataset(records, pictures, [], mean_face())
