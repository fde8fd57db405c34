"""A page of what models do, whole in one file; the card's measured part, without any picture of a
set.
"""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.training.people import write_people
from tests.training.tiny import write_classes, write_coco
from training.__main__ import app
from training.errors import MissingCheckpointError, MissingDataError, ReportError
from training.figures.tables import shown, tables_of
from training.networks.architectures import built
from training.networks.checkpoint import CLASSIFIER, DETECTOR, GENDER, save
from training.networks.detector import FaceDetector
from training.shipping.card import BEGIN, END, write_measured
from training.shipping.examples import Example, _different

SMALL = {"size": 48, "width": 0.25}


def write_run(folder: Path, kind: str, figures: dict[str, object]) -> Path:
    """A run whose model learnt nothing."""
    torch.manual_seed(3)
    if kind == "detector":
        configuration = replace(DETECTOR, width=16)
        model: torch.nn.Module = FaceDetector(16)
    elif kind == "gender":
        configuration = replace(GENDER, **SMALL)  # type: ignore[arg-type]
        model = built(configuration, 2)
    else:
        configuration = replace(CLASSIFIER, **SMALL)  # type: ignore[arg-type]
        model = built(configuration)
    state = {
        "configuration": asdict(configuration),
        "average": model.state_dict(),
        "figures": {},
        "samples": 1234,
    }
    save(state, folder / "best.pt")
    (folder / "figures.json").write_text(json.dumps(figures))
    picture = np.full((40, 60, 3), 255, np.uint8)
    cv2.imwrite(str(folder / "curves.png"), picture)
    return folder


@pytest.mark.timeout(320)
def test_one_page_shows_what_models_do_and_the_card_gets_numbers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Under its known name, or the rest beside it would not be read.
    write_coco(tmp_path / "data" / "detection", 40)
    write_classes(tmp_path / "data" / "crops", 30)
    names = sorted((tmp_path / "data" / "crops").rglob("*.png"))
    index = "file,label,group\n" + "".join(
        f"{p.relative_to(tmp_path / 'data' / 'crops')},{p.parent.name},{p.stem}{p.parent.name}\n"
        for p in names
    )
    (tmp_path / "data" / "crops" / "index.csv").write_text(index)
    write_people(tmp_path / "data" / "gender", 60)
    app(["prepare", "--data", "data", "--test-share", "0.3"], standalone_mode=False)
    runs = Path("var/training")
    chosen: dict[str, object] = {"threshold": 0.4, "temperature": 1.0, "macro_f1": 0.5}
    interval = {"value": 0.25, "low": 0.2, "high": 0.3, "count": 5, "of": 20}
    classes = {"by_size": {"32-48 px": {"faces": 3, "accuracy": 0.5, "false_refusal": interval}}}
    for kind in ("detector", "classifier", "gender"):
        write_run(runs / kind, kind, chosen | classes)
    peer = {"name": "AIZOO", "input": "260", "threshold": 0.5, "face_ap_50": interval,
            "recall": interval, "precision": interval, "right_verdict": interval}  # fmt: skip
    bench = {"data": "validation", "pictures": 4, "rows": [peer, {"name": "X", "problem": "gone"}]}
    (runs / "bench.json").write_text(json.dumps(bench))
    Path("docs").mkdir()
    Path("docs/models.md").write_text("# The models\n\nBy hand.\n")
    folders = [str(runs / kind) for kind in ("detector", "classifier", "gender")]
    app(["report", *folders, "--out", "out", "--card", "docs/models.md"], standalone_mode=False)

    assert [p.name for p in Path("out").iterdir()] == ["report.html"]
    page = Path("out/report.html").read_text()
    assert "<script" not in page
    sources = re.findall(r'(?:src|href)="([^"]{1,30})', page)
    assert sources
    assert all(s.startswith(("data:image/", "#")) for s in sources), "nothing from elsewhere"
    for said in ("The face detector", "AIZOO", "25.0 % (20.0 % to 30.0 %)", "jolignier/"):
        assert said in page
    assert page.count("data:image/jpeg") >= 3, "tiles of examples"
    assert 'said <span class="bad">nothing</span>' in page, "an untrained detector misses faces"
    assert page.count("On the test split") == 3
    assert (runs / "classifier/roc.png").is_file()

    card = Path("docs/models.md").read_text()
    assert card.startswith("# The models\n\nBy hand.")
    assert "| 32-48 px | 3 | 50.0 % | 25.0 % (20.0 % to 30.0 %) |" in card
    assert card.count("On the test split") == 3
    assert "jpeg" not in card
    drawn = {p.name for p in Path("docs/pictures/models").iterdir()}
    assert drawn == {
        "detector-curves.png", "classifier-curves.png", "gender-curves.png",
        "classifier-roc.png", "classifier-pr.png", "gender-roc.png",
    }  # fmt: skip
    assert all(f"](pictures/models/{name})" in card for name in drawn)

    (runs / "bench.json").write_text("[]")
    with pytest.raises(ReportError, match="no comparison that `bench --json` wrote"):
        app(["report", folders[1]], standalone_mode=False)
    with pytest.raises(MissingCheckpointError, match="nowhere"):
        app(["report", "nowhere"], standalone_mode=False)


def test_the_measured_part_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    card = tmp_path / "models.md"
    with pytest.raises(MissingDataError, match="run `python -m training export` first"):
        write_measured(card, "x")
    card.write_text("# Head\n\nBefore.\n")
    write_measured(card, "first | 1")
    write_measured(card, "second | 2")
    assert card.read_text() == (f"# Head\n\nBefore.\n\n{BEGIN}\n## Measured\n\nsecond | 2\n{END}\n")


def test_one_picture_many_times_is_shown_once() -> None:
    rng = np.random.default_rng(1)
    coarse = [rng.integers(0, 256, (6, 6, 3), np.uint8) for _ in range(3)]
    several = [cv2.resize(c, (144, 144), interpolation=cv2.INTER_CUBIC) for c in coarse]
    again = cv2.convertScaleAbs(several[0], alpha=0.9, beta=12)
    examples = [Example(np.asarray(p, np.uint8), "a", "b", "c") for p in (*several, again)]
    assert _different(examples, 20) == examples[:3]
    assert _different(examples, 2) == examples[:2]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.9596, "96.0 %"),
        ("false_refusal", 0.0066, "0.66 %"),
        ("false_refusal", 0.0, "0.0 %"),
        ("macro_f1", 0.881, "0.881"),
        ("samples", 190720.0, "190720"),
        ("faces", 12, "12"),
        ("false_faces_per_empty_picture", 0.0411, "0.0411"),
        ("missed", None, "–"),
        ("recall", {"value": None, "low": None, "high": None, "count": 0, "of": 0}, "–"),
        ("recall", {"value": 0.5, "low": 0.25, "high": 1.0}, "50.0 % (25.0 % to 100.0 %)"),
    ],
)
def test_figures_are_shown_as_people_read_them(name: str, value: object, text: str) -> None:
    assert shown(name, value) == text


def test_groups_of_figures_become_tables() -> None:
    figures = {
        "accuracy": 0.5,
        "confusion": [[1, 2], [3, 4]],
        "classes": {"with_mask": {"recall": 0.5}, "without_mask": {"recall": 0.75, "faces": 2}},
        "missed": {"with_mask": 3},
    }
    headline, classes, missed = tables_of(figures)
    assert list(headline.rows) == [("accuracy", "50.0 %")]
    assert classes.columns == ("classes", "recall", "faces")
    assert list(classes.rows) == [("with_mask", "50.0 %", "–"), ("without_mask", "75.0 %", "2")]
    assert missed.as_markdown() == "| figure | value |\n|---|---|\n| with mask | 3 |\n"
