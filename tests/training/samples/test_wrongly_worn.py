"""Wrongly worn masks drawn on bare faces without landmarks."""

import numpy as np

from tests.training.tiny import draw_face
from training.records.record import FaceRecord, Record
from training.samples.dataset import PictureDataset
from training.samples.wrongly_worn import wrongly_worn


def bare(count: int, *, boxed: bool) -> PictureDataset:
    records, pictures = [], []
    for n in range(count):
        picture = np.full((160, 160, 3), 60 + 20 * n, np.uint8)
        draw_face(picture, (30, 20, 130, 150), "without_mask")
        box = (30.0, 20.0, 130.0, 150.0)
        faces = (FaceRecord(box, "without_mask"),) if boxed else ()
        name, crop = f"{n}.png", None if boxed else "without_mask"
        records.append(Record("mine", name, name, "validation", 160, 160, boxed, crop, faces))
        pictures.append(picture)
    return PictureDataset(records, pictures, [], None)


def nothing(_: object) -> None:
    return None


def test_a_mask_covers_the_lower_face_and_is_the_same_each_time() -> None:
    dataset = bare(3, boxed=True)
    first, again = (wrongly_worn(dataset, nothing, 32) for _ in range(2))
    assert len(first) == 3
    for face, same in zip(first, again, strict=True):
        assert np.array_equal(face.picture, same.picture)
        assert np.array_equal(face.box, same.box)
    plain = wrongly_worn(bare(3, boxed=True), nothing, 32)[0]
    x0, y0, x1, y1 = (int(v) for v in plain.box)
    height = y1 - y0
    forehead = plain.picture[y0 + height // 8, x0 + 40 : x1 - 40]
    assert (forehead == (140, 170, 215)).all()
    lower = plain.picture[y0 + height * 3 // 4 : y1, x0 + 30 : x1 - 30]
    assert (np.abs(lower.astype(int) - (140, 170, 215)).sum(-1) > 60).mean() > 0.3


def test_a_face_whose_place_nobody_knows_is_looked_for_and_left_out_if_it_is_not_found() -> None:
    dataset = bare(2, boxed=False)
    assert wrongly_worn(dataset, nothing, 32) == []
    found = wrongly_worn(dataset, lambda _: (30.0, 20.0, 130.0, 150.0), 32)
    assert len(found) == 2
    assert wrongly_worn(dataset, lambda _: (30.0, 20.0, 50.0, 50.0), 32) == []


def test_the_dataset_stays_as_it_was() -> None:
    dataset = bare(1, boxed=True)
    before = dataset.pictures[0].copy()
    wrongly_worn(dataset, nothing, 32)
    assert np.array_equal(dataset.pictures[0], before)
