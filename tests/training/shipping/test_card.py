import json
from pathlib import Path
from typing import Any

import pytest

from training.errors import MissingDataError
from training.shipping.card import BEGIN, write_card, write_measured
from training.shipping.release_notes import MAKE_YOUR_OWN, NOTES

ROOT = Path(__file__).parents[3]
CONTRACT = Path("decisions/0001-model-contract.md")


def row(name: str, role: str, digest: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "role": role,
        "precision": "FP16",
        "version": "7",
        "files": {f"{name}.xml": f"0{digest}", f"{name}.bin": digest},
        "input": [96, 96],
        "labels": ["face"],
        "thresholds": {"confidence": 0.5, "min_face_size": 40.0},
        "trained_on": [{"set": "mine", "licence": "a set of your own", "images": 12}],
        "figures": {"accuracy": 0.5, "samples_trained": 800, "samples_trained_before": 300},
        **more,
    }


def write_manifest(folder: Path, *rows: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"schema": 1, "models": rows}))
    return manifest


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_card_of_another_run_has_no_sentence_about_the_released_models(tmp_path: Path) -> None:
    figures = {"by_set": {"mine": {"faces": 3}, "drawn": {"faces": 3}}, "accuracy": 0.5}
    manifest = write_manifest(
        tmp_path / "models",
        row("face-detector", "detector", "aa"),
        row("mask-classifier", "classifier", "bb", figures=figures),
    )
    write_card(manifest, tmp_path / "card.md")
    card = words((tmp_path / "card.md").read_text())
    ours = [sentence for note in NOTES for limit in note.limits for sentence in limit.split(". ")]
    ours += [words(part) for part in MAKE_YOUR_OWN.split("\n\n") if part.strip()]
    assert not [sentence for sentence in ours if sentence.strip(" .") in card]
    for known in ("CPU cores", "8 %", "edge/models", "`detection`", "this repository"):
        assert known not in card
    assert "The classifier does not judge faces under 40 pixels." in card
    assert "| mine | 12 | a set of your own |" in card
    assert "| samples trained | 800 | | samples trained before | 300 |" in card


def test_the_page_of_the_released_models_is_what_the_generator_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert BEGIN in page
    card = tmp_path / "models.md"
    card.write_text(page, encoding="utf-8")
    (tmp_path / CONTRACT).parent.mkdir()
    (tmp_path / CONTRACT).touch()
    assert write_card(Path("edge/models/manifest.json"), card) is False
    assert card.read_text(encoding="utf-8") == page
    limits = [limit for note in NOTES for limit in note.limits]
    assert limits
    assert all(limit in words(page) for limit in limits)


def test_what_was_measured_stays_with_its_models_and_goes_with_them(tmp_path: Path) -> None:
    folder, card = tmp_path / "models", tmp_path / "card.md"
    first = row("face-detector", "detector", "aa")
    assert write_card(write_manifest(folder, first), card) is False
    write_measured(card, "| right | 9 |")
    gender = row("gender-head", "gender", "cc")
    assert write_card(write_manifest(folder, first, gender), card) is False
    assert "| right | 9 |" in card.read_text()
    other = row("face-detector", "detector", "dd")
    assert write_card(write_manifest(folder, other, gender), card) is True
    assert "| right | 9 |" not in card.read_text()


def test_the_card_says_on_which_pictures_each_model_was_measured(tmp_path: Path) -> None:
    sets = [{"set": "mine", "licence": "own", "images": 60, "validation": 20, "test": 20}]
    locked = {"accuracy": 0.5, "measured_on": "test split"}
    manifest = write_manifest(
        tmp_path / "models",
        row("face-detector", "detector", "aa", trained_on=sets),
        row("mask-classifier", "classifier", "bb", trained_on=sets, figures=locked),
    )
    write_card(manifest, tmp_path / "card.md")
    card = words((tmp_path / "card.md").read_text())
    assert "face-detector: on the validation split (20 of 100 pictures, 20.0%)." in card
    assert "mask-classifier: on the test split (20 of 100 pictures, 20.0%)." in card
    assert card.count("chosen on the same pictures") == 1


def test_a_card_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="run `python -m training export` first"):
        write_card(tmp_path / "manifest.json", tmp_path / "card.md")
