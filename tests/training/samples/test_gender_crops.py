"""Faces named as in UTKFace: who is an adult, and how often each race is seen."""

from pathlib import Path

import numpy as np
import pytest

from training.errors import EmptyClassError, SingleClassError
from training.records.record import Record
from training.samples.dataset import PictureDataset
from training.samples.gender_crops import GenderCrops, adults_of, attributes_from_name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("25_0_3_20170104172746405.jpg", (25, 0, 3)),
        ("61_1_20170109142408075.jpg", None),
        ("25_2_3_2017.jpg", None),
        ("portrait.jpg", None),
    ],
)
def test_a_file_name_says_age_gender_and_race_or_nothing(
    name: str, said: tuple[int, int, int] | None
) -> None:
    assert attributes_from_name(Path(name)) == said


def dataset_of(*names: str) -> PictureDataset:
    picture = np.full((64, 64, 3), 90, np.uint8)
    records = [Record("gender", n, n, "train", 64, 64, False) for n in names]
    return PictureDataset(records, [picture] * len(names), [], None)


def test_children_are_left_out_and_one_gender_alone_is_refused() -> None:
    dataset = dataset_of("17_0_0_1.jpg", "18_0_0_2.jpg", "70_1_4_3.jpg")
    assert [(a.index, a.band) for a in adults_of(dataset)] == [(1, "18-29"), (2, "60 and over")]
    with pytest.raises(SingleClassError, match="every adult here is male"):
        adults_of(dataset_of("17_1_0_1.jpg", "18_0_0_2.jpg"))
    with pytest.raises(EmptyClassError, match="age_gender_race_stamp"):
        adults_of(dataset_of("17_1_0_1.jpg", "portrait.jpg"))


def test_rare_races_are_seen_more_often_than_they_are_there() -> None:
    names = [f"30_{g}_0_{n}.jpg" for g in (0, 1) for n in range(100)]
    stream = GenderCrops(dataset_of(*names, "30_0_1_x.jpg", "30_1_1_x.jpg"), 48, 0.2, 8, 1)
    shares, groups = stream._pools[0]
    assert [len(g) for g in groups] == [100, 1]
    assert shares[1] == pytest.approx(1 / 11)
    crops, genders = next(iter(stream))
    assert crops.shape == (8, 48, 48, 3)
    assert set(genders.tolist()) == {0, 1}
