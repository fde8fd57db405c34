"""`export` installs no model that may let the wrong people in, unless somebody accepts that."""

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import openvino
import pytest
from rich.console import Console

from tests.training.measuring.test_suspects import SMALL
from training.errors import RiskError
from training.measuring.intervals import Rate
from training.networks.architectures import built
from training.networks.checkpoint import save
from training.shipping.export import export_models

ALL = {"with_mask": 40, "without_mask": 40, "incorrect_mask": 40}
EQUAL = {"false_admit_without_mask": Rate(1, 40), "false_admit_incorrect_mask": Rate(4, 40)}


def exported(
    folder: Path, *, counts: dict[str, int] = ALL, own: dict[str, Rate] = EQUAL, **accept: bool
) -> tuple[dict[str, Any], str, str]:
    """Export a classifier with such figures; return its manifest row, the card and the output."""
    run, prepared = folder / "run", folder / "prepared"
    run.mkdir()
    prepared.mkdir()
    save({"configuration": asdict(SMALL), "average": built(SMALL).state_dict(), "samples": 1},
         run / "best.pt")  # fmt: skip
    figures = {
        "temperature": 1.0,
        "threshold": 0.5,
        "accuracy": Rate(110, 120).as_json(),
        "faces_by_label": {"train": counts, "validation": counts},
        "beside_shipped": {
            "own": {k: r.as_json() for k, r in own.items()},
            "shipped": {k: r.as_json() for k, r in EQUAL.items()},
        },
    }
    (run / "figures.json").write_text(json.dumps(figures))
    summary = {"licences": {"mine": "a set of your own"}, "pictures": {"mine": {"train": 9}}}
    (prepared / "summary.json").write_text(json.dumps(summary))
    said = io.StringIO()
    export_models(
        (None, run),
        prepared,
        folder / "models",
        card=folder / "card.md",
        version="1",
        pictures=[],
        console=Console(file=said, width=200),
        **accept,
    )
    rows = json.loads((folder / "models/manifest.json").read_text())["models"]
    (row,) = [r for r in rows if r["role"] == "classifier"]
    return row, " ".join((folder / "card.md").read_text().split()), said.getvalue()


def test_a_model_with_all_labels_that_is_no_worse_is_installed_without_a_word(
    tmp_path: Path,
) -> None:
    row, card, said = exported(tmp_path)
    assert "untested_labels" not in row
    assert "accepted_risks" not in row
    assert "--accept-risk" not in card
    assert "accepted" not in said
    low, high = Rate(110, 120).interval or (0, 0)
    assert f"| accuracy | 0.9167 ({low:.4f} to {high:.4f}, 120 faces) |" in card


def test_a_model_without_a_label_is_refused_with_the_mend_and_nothing_is_installed(
    tmp_path: Path,
) -> None:
    with pytest.raises(RiskError, match="No wrongly worn mask was in the training") as refused:
        exported(tmp_path, counts=ALL | {"incorrect_mask": 0})
    assert "--accept-risk" in str(refused.value)
    assert not (tmp_path / "models").exists()


def test_a_model_that_admits_clearly_more_than_the_shipped_one_is_refused_with_the_figures(
    tmp_path: Path,
) -> None:
    worse = EQUAL | {"false_admit_without_mask": Rate(20, 40)}
    with pytest.raises(RiskError, match=r"admits 50\.0%.*the shipped model admits 2\.5%"):
        exported(tmp_path, own=worse)


def test_an_accepted_risk_stands_in_file_manifest_and_card(tmp_path: Path) -> None:
    worse = EQUAL | {"false_admit_without_mask": Rate(20, 40)}
    row, card, said = exported(
        tmp_path, counts=ALL | {"incorrect_mask": 0}, own=worse, accept_risk=True
    )
    assert "risks that you accepted" in said
    assert row["untested_labels"] == ["incorrect_mask"]
    assert len(row["accepted_risks"]) == 2
    graph = openvino.Core().read_model(tmp_path / "models/mask-classifier.xml")
    assert graph.get_rt_info(["model_info", "untested_labels"]).value == "incorrect_mask"
    section = card[card.index("## What is not known") :]
    assert "No wrongly worn mask was in the training or validation pictures" in section
    assert "Accepted when the model was exported: The model admits 50.0%" in section


def test_the_card_of_a_model_beside_the_kept_detector_says_who_learnt_from_what(
    tmp_path: Path,
) -> None:
    _, card, _ = exported(tmp_path)
    assert "| mine | 9 | a set of your own | mask-classifier |" in card
    assert "person-facing sets" not in card
    assert "Make your own" not in card
    assert "gender" not in card.split("## Trained on", maxsplit=1)[0]
