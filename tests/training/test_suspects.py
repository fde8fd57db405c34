"""Labels that a classifier firmly contradicts are found, shown, and kept out of training."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional
from typer.testing import CliRunner

from tests.training.albums import boxed_album
from tests.training.tiny import write_classes
from training.__main__ import app
from training.boxes.cropping import fitted
from training.errors import DamagedIndexError, MissingCheckpointError, MissingDataError
from training.networks.architectures import built
from training.networks.checkpoint import CLASSIFIER, save
from training.networks.normalisation import normalised
from training.records.layouts import read_picture
from training.records.record import LABELS, read_records
from training.samples.crops import samples_of
from training.samples.suspect_list import Suspect, read_suspects, without, write_suspects

SMALL = replace(CLASSIFIER, size=48, width=0.25)
SLIPS = 3


def taught(folder: Path, run: Path) -> None:
    """A run whose classifier has learnt what the pictures of class folders show."""
    crops, labels = [], []
    for file in sorted(folder.rglob("*.png")):
        picture = read_picture(file)
        assert picture is not None
        crops.append(fitted(picture, SMALL.size))
        labels.append(LABELS.index(file.parent.name))
    shown, truth = normalised(torch.from_numpy(np.stack(crops))), torch.tensor(labels)
    torch.manual_seed(0)
    model = built(SMALL)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    sure = 0.0
    while sure < 0.97:
        model.train()
        loss = functional.cross_entropy(model(shown), truth)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        model.eval()
        with torch.no_grad():
            rows = functional.softmax(model.both_ways(shown), 1)
        sure = rows[torch.arange(len(truth)), truth].min().item()
    save(
        {"configuration": asdict(SMALL), "average": model.state_dict(), "samples": 1},
        run / "best.pt",
    )
    (run / "figures.json").write_text(json.dumps({"temperature": 1.0}))


def test_slips_of_the_labeller_are_found_and_not_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write_classes(Path("mine"), 14, ("with_mask", "without_mask"))
    taught(Path("mine"), Path("run"))
    told = CliRunner().invoke(app, ["prepare", "--data", "mine"])
    assert told.exit_code == 0, told.output
    learnt = [
        Path(r.path)
        for r in read_records(Path("var/training/prepared/records.jsonl"))
        if r.split == "train" and r.crop == "with_mask"
    ]
    for file in learnt[:SLIPS]:
        file.rename(Path("mine/without_mask") / f"slip-{file.name}")
    told = CliRunner().invoke(app, ["prepare", "--data", "mine"])
    assert told.exit_code == 0, told.output
    records = list(read_records(Path("var/training/prepared/records.jsonl")))
    wrong = {r.path for r in records if "slip-" in r.path and r.split == "train"}
    assert wrong

    told = CliRunner().invoke(app, ["suspects", "--run", "run"])
    assert told.exit_code == 0, told.output
    assert f"{len(wrong)} suspects" in told.output
    found = list(read_suspects(Path("run/suspects.jsonl")))
    assert {s.path for s in found} == wrong
    assert {(s.label, s.said) for s in found} == {("without_mask", "with_mask")}
    assert all(s.probability < 0.1 for s in found)
    sheet = cv2.imread("run/suspects.png")
    assert sheet is not None
    assert sheet.shape[1] == 96 * len(wrong)

    train = ["train", "classifier", "--data", "mine", "--size", "48", "--batch", "4"]
    told = CliRunner().invoke(
        app, [*train, "--minutes", "0.005", "--without", "run/suspects.jsonl"]
    )
    assert told.exit_code == 0, told.output
    there = sum(r.split == "train" for r in records)
    assert f"{there - len(wrong)} pictures" in told.output


def test_suspects_ask_for_a_run_that_was_evaluated(tmp_path: Path) -> None:
    save({"configuration": asdict(SMALL), "average": built(SMALL).state_dict(), "samples": 1},
         tmp_path / "best.pt")  # fmt: skip
    told = CliRunner().invoke(app, ["suspects", "--run", str(tmp_path)])
    assert isinstance(told.exception, MissingCheckpointError)
    assert "training evaluate" in str(told.exception)


def test_a_suspect_among_many_faces_of_a_picture_alone_has_no_say() -> None:
    album = boxed_album(4)
    first = album.records[0]
    label = str(first.faces[1].label)
    left = without(album, [Suspect(first.path, 1, label, "with_mask", 0.01)])
    assert [f.ignore for f in left.records[0].faces] == [False, True]
    assert left.records[1:] == album.records[1:]
    before, after = samples_of(album)["detection"], samples_of(left)["detection"]
    assert [s for s in before if s not in after] == [
        s for s in before if s.index == 0 and s.box == first.faces[1].box
    ]
    assert without(album, []) == album


def test_suspects_of_other_pictures_are_refused() -> None:
    with pytest.raises(MissingDataError, match=r"1 of 2 suspects.*face 7 of 0\.png.*anew"):
        without(
            boxed_album(2),
            [Suspect("0.png", place, "with_mask", "without_mask", 0.0) for place in (0, 7)],
        )


def test_no_suspect_is_an_empty_file_and_a_sheet(tmp_path: Path) -> None:
    lines, sheet = write_suspects([], [], tmp_path)
    assert list(read_suspects(lines)) == []
    assert cv2.imread(str(sheet)) is not None


@pytest.mark.parametrize("line", ["{", "[]", '{"path": "a.png"}', "7"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    lines, _ = write_suspects([Suspect("a", 0, "with_mask", "without_mask", 0.0)], [
        np.zeros((4, 4, 3), np.uint8)
    ], tmp_path)  # fmt: skip
    lines.write_text(lines.read_text() + line + "\n")
    with pytest.raises(DamagedIndexError, match=r"suspects\.jsonl, line 2 names no suspect"):
        list(read_suspects(lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"gone\.jsonl is not there.*training suspects"):
        list(read_suspects(tmp_path / "gone.jsonl"))
