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

from tests.training.tiny import write_classes
from training.__main__ import app
from training.boxes.cropping import fitted
from training.errors import ExistingListError, MissingCheckpointError
from training.measuring.suspects import doubts
from training.networks.architectures import built
from training.networks.checkpoint import CLASSIFIER, save
from training.networks.normalisation import normalised
from training.records.pictures import read_picture
from training.records.record import LABELS, read_records
from training.samples.suspect_list import read_suspects

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


def test_a_list_is_trusted_from_an_accuracy_and_a_number_of_passes_on() -> None:
    assert doubts(0.96, 4_000, 0, 1_000) == []
    assert doubts(0.95, 100, 100_000, 1_000) == []
    (few,) = doubts(0.96, 2_000, 0, 1_000)
    assert "each training face 2.0 times" in few
    (poor,) = doubts(0.9, 9_000, 0, 1_000)
    assert "right about 90.0% of the validation faces" in poor
    assert "not known to be right" in doubts(None, 9_000, 0, 1_000)[0]
    assert len(doubts(0.5, 0, 0, 0)) == 2


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
    # Its figures have no accuracy, and it saw one sample.
    assert "do not trust this list yet" in told.output
    found = list(read_suspects(Path("run/suspects.jsonl")))
    assert {s.path for s in found} == wrong
    assert {(s.label, s.said) for s in found} == {("without_mask", "with_mask")}
    assert all(s.probability < 0.1 for s in found)
    sheet = cv2.imread("run/suspects.png")
    assert sheet is not None
    assert sheet.shape[1] == 96 * len(wrong)

    told = CliRunner().invoke(app, ["suspects", "--run", "run"])
    assert isinstance(told.exception, ExistingListError)

    train = ["train", "classifier", "--data", "mine", "--workers", "0", "--size", "48"]
    told = CliRunner().invoke(
        app, [*train, "--batch", "4", "--minutes", "0.005", "--without", "run/suspects.jsonl"]
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
