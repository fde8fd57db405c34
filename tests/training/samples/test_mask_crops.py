from dataclasses import replace

import numpy as np
import pytest

from tests.training.datasets import bare_dataset, boxed_dataset
from training.boxes.cropping import cut
from training.errors import EmptyClassError, SingleClassError
from training.records.record import LABELS
from training.samples.dataset import PictureDataset
from training.samples.mask_crops import MaskCrops, drawn, held_out_crops, samples_of


def test_a_crop_is_the_square_around_the_box_cut_off_at_the_border() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    # Longer side 40, margin 0.5: a side of 60 around (100, 50).
    assert cut(picture, (85, 30, 115, 70), 0.5).shape == (60, 60, 3)
    # The same at the corner: half of it is outside.
    assert cut(picture, (-15, -20, 15, 20), 0.5).shape == (30, 30, 3)


def test_one_class_only_is_refused() -> None:
    dataset = boxed_dataset()
    records = [
        replace(r, faces=tuple(replace(f, label="with_mask") for f in r.faces))
        for r in dataset.records
    ]
    with pytest.raises(SingleClassError, match="every face in the training split is with_mask"):
        MaskCrops(PictureDataset(records, dataset.pictures, [], None), 48, 0.2, 4, 0)
    with pytest.raises(EmptyClassError, match="no face of 24 px"):
        MaskCrops(
            PictureDataset([replace(r, faces=()) for r in records], dataset.pictures, [], None),
            48,
            0.2,
            4,
            0,
        )


def test_faces_too_small_to_judge_and_regions_to_ignore_are_not_trained_on() -> None:
    dataset = boxed_dataset(1)
    small = replace(dataset.records[0].faces[0], box=(5.0, 5.0, 28.0, 60.0))
    doubtful = replace(dataset.records[0].faces[1], ignore=True)
    records = [replace(dataset.records[0], faces=(small, doubtful))]
    assert samples_of(PictureDataset(records, dataset.pictures, [], None)) == {}


def test_bare_faces_without_landmarks_are_dressed_where_the_dataset_has_none() -> None:
    dataset = boxed_dataset()
    found = samples_of(dataset)
    bare = [s for s in found["detection"] if LABELS[s.label] == "without_mask"]
    assert [s.box for s in found["drawn"]] == [s.box for s in bare]
    sample = found["drawn"][0]
    for label in range(len(LABELS)):
        part, box = drawn(dataset, sample, label, np.random.default_rng(1))
        assert (box[2:] > box[:2]).all()
        assert part.shape[2] == 3
    # With landmarks on other faces, only those are dressed.
    assert "drawn" not in samples_of(replace(dataset, mean=bare_dataset().mean))


def test_wrongly_worn_masks_are_drawn_where_nobody_wears_one_so() -> None:
    dataset = boxed_dataset()
    records = [
        replace(r, faces=tuple(f for f in r.faces if f.label != "incorrect_mask"))
        for r in dataset.records
    ]
    own = PictureDataset(records, dataset.pictures, [], None)
    _, labels = next(iter(MaskCrops(own, 48, 0.2, 64, 0)))
    assert set(labels.tolist()) == {0, 1, 2}


def test_bare_faces_are_dressed_into_all_classes_without_touching_the_dataset() -> None:
    dataset = bare_dataset()
    before = [p.copy() for p in dataset.pictures]
    sample = samples_of(dataset)["drawn"][0]
    rng = np.random.default_rng(1)
    bare = dataset.pictures[sample.index]
    for label, name in enumerate(LABELS):
        part, box = drawn(dataset, sample, label, rng)
        assert part.shape[0] <= 200
        assert box[2] > box[0], name
        assert (part != bare[:1, :1]).any()
    # Over the nose, a mask is where one is worn rightly, and skin is where it is worn on the chin.
    nose = {}
    for placement_label in (0, 2):
        changed = 0
        for _ in range(30):
            part, box = drawn(dataset, sample, placement_label, rng)
            x, y = int((box[0] + box[2]) / 2), int(box[1] + 0.48 * (box[3] - box[1]))
            skin = np.array([140, 170, 215])
            changed += int(
                np.abs(part[y - 2 : y + 2, x - 2 : x + 2].reshape(-1, 3).mean(0) - skin).max() > 12
            )
        nose[placement_label] = changed
    assert nose[0] > nose[2] + 10
    assert all((a == b).all() for a, b in zip(before, dataset.pictures, strict=True))


def test_batches_hold_all_classes() -> None:
    crops = MaskCrops(bare_dataset(), 32, 0.2, 64, 4)
    pictures, labels = next(iter(crops))
    assert pictures.shape == (64, 32, 32, 3)
    assert set(labels.tolist()) == {0, 1, 2}


def test_held_crops_are_the_same_every_time() -> None:
    first, again = (held_out_crops(bare_dataset(), 32, 0.2) for _ in range(2))
    assert (first.crops == again.crops).all()
    assert (first.labels == again.labels).all()
    assert min(first.sides) >= 32


def test_all_classes_are_degraded_alike() -> None:
    # Which class a crop is of must not be told by how sharp it is: the spread of sharpness is one.
    dataset = bare_dataset(1)
    crops, rng = MaskCrops(dataset, 48, 0.2, 1, 0), np.random.default_rng(2)
    rates = []
    for label in (0, 1, 2):
        small = [crops.crop(label, rng) for _ in range(250)]
        flat = [np.abs(np.diff(c.astype(np.float32), axis=1)).mean() for c in small]
        rates.append(float(np.median(flat)))
    assert max(rates) < 1.8 * min(rates)
