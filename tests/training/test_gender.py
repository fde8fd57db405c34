"""Faces named as in UTKFace in, a gender head and its figures by group out."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.tiny import draw_face
from training.__main__ import app
from training.errors import (
    ConfigurationMismatchError,
    EmptyClassError,
    MissingCheckpointError,
    SingleClassError,
)
from training.networks.checkpoint import load
from training.records.record import Record
from training.samples.adults import AdultCrops, adults_of, said_by_name
from training.samples.album import Album


def write_people(folder: Path, count: int) -> None:
    """Every third a child; who is female has a red picture."""
    folder.mkdir(parents=True)
    for n in range(count):
        gender, age = n % 2, 9 if n % 3 == 2 else 20 + n
        rng = np.random.default_rng(n)
        picture = cv2.resize(
            rng.integers(0, 120, (6, 6, 3), np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC
        )
        picture[..., 2] = 230 if gender else 20
        draw_face(picture, (12, 12, 52, 52), "without_mask")
        cv2.imwrite(str(folder / f"{age}_{gender}_{n % 5}_20170101{n:09}.png"), picture)


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
    assert said_by_name(Path(name)) == said


def album_of(*names: str) -> Album:
    picture = np.full((64, 64, 3), 90, np.uint8)
    records = [Record("gender", n, n, "train", 64, 64, False) for n in names]
    return Album(records, [picture] * len(names), [], None)


def test_children_are_left_out_and_one_gender_alone_is_refused() -> None:
    album = album_of("17_0_0_1.jpg", "18_0_0_2.jpg", "70_1_4_3.jpg")
    assert [(a.index, a.band) for a in adults_of(album)] == [(1, "18-29"), (2, "60 and over")]
    with pytest.raises(SingleClassError, match="every adult here is male"):
        adults_of(album_of("17_1_0_1.jpg", "18_0_0_2.jpg"))
    with pytest.raises(EmptyClassError, match="age_gender_race_stamp"):
        adults_of(album_of("17_1_0_1.jpg", "portrait.jpg"))


def test_rare_races_are_seen_more_often_than_they_are_there() -> None:
    names = [f"30_{g}_0_{n}.jpg" for g in (0, 1) for n in range(100)]
    stream = AdultCrops(album_of(*names, "30_0_1_x.jpg", "30_1_1_x.jpg"), 48, 0.2, 8, 1)
    shares, groups = stream._pools[0]
    assert [len(g) for g in groups] == [100, 1]
    assert shares[1] == pytest.approx(1 / 11)
    crops, genders = next(iter(stream))
    assert crops.shape == (8, 48, 48, 3)
    assert set(genders.tolist()) == {0, 1}


@pytest.mark.timeout(320)
def test_a_gender_head_is_trained_and_measured_by_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "data" / "gender", 90)

    def training(*arguments: str) -> str:
        capsys.readouterr()
        app([*arguments], standalone_mode=False)
        return capsys.readouterr().out

    training("prepare", "--data", "data")
    small = ("--minutes", "0.05", "--batch", "4", "--size", "48", "--workers", "0")
    training("train", "gender", *small)
    figures = json.loads(training("evaluate", "gender"))
    written = json.loads(Path("var/training/gender/figures.json").read_text())
    assert written == figures
    assert set(figures["by_gender"]) == {"male", "female"}
    assert sum(p["faces"] for p in figures["by_race"].values()) == figures["faces"]
    assert sum(p["faces"] for p in figures["by_age"].values()) == figures["faces"]
    assert sum(map(sum, figures["confusion"])) == figures["faces"]
    assert Path("var/training/gender/confusion.png").is_file()

    elsewhere = json.loads(training("evaluate", "gender", "--data", "data/gender"))
    assert elsewhere["faces"] == 60
    assert json.loads(Path("var/training/gender/figures.json").read_text()) == written

    with pytest.raises(MissingCheckpointError, match="holds a gender, not a classifier"):
        training("evaluate", "classifier", "--run", "var/training/gender")
    training("train", "gender", *small, "--run", "second", "--begin-from", "var/training/gender")
    assert load(Path("second/last.pt"))["configuration"]["kind"] == "gender"


def test_a_trunk_of_another_shape_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import asdict

    from training.networks.architectures import built, configuration_of
    from training.networks.checkpoint import GENDER, begin_trunk_from, save

    other = built(configuration_of("mobilenetv2"))
    save({"configuration": asdict(GENDER), "average": other.state_dict()}, tmp_path / "best.pt")
    with pytest.raises(ConfigurationMismatchError, match="a trunk of another shape"):
        begin_trunk_from(built(GENDER, 2), tmp_path)
    ours = built(configuration_of("ours"))
    save({"configuration": asdict(GENDER), "average": ours.state_dict()}, tmp_path / "best.pt")
    head = built(GENDER, 2)
    begin_trunk_from(head, tmp_path)
    assert all(
        v.equal(head.state_dict()[k]) for k, v in ours.state_dict().items() if "features" in k
    )
