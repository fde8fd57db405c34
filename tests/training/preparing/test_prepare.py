import io
import json
import re
import shutil
from pathlib import Path

import cv2
import pytest
import typer
from rich.console import Console

from tests.training.tiny import scene, write_classes, write_coco
from training.__main__ import app
from training.errors import UnknownLabelError
from training.measuring.evaluation_set import boxed_by_people
from training.preparing.prepare import Wishes, prepare, prepared_templates
from training.records.record import read_records

QUIET = Console(quiet=True)


def test_no_group_and_no_near_duplicate_is_in_both_splits(tmp_path: Path) -> None:
    write_classes(tmp_path / "data", 30)
    # Copies, a little brighter, under names of their own: the names alone would spread them over
    # both splits.
    for path in sorted((tmp_path / "data/with_mask").glob("*.png")):
        picture = cv2.imread(str(path))
        assert picture is not None
        copy = path.with_name(f"copy_{path.name}")
        cv2.imwrite(str(copy), cv2.convertScaleAbs(picture, beta=6))
    summary = prepare(tmp_path / "data", tmp_path / "out", Wishes(), QUIET)
    records = list(read_records(tmp_path / "out/records.jsonl"))
    splits = {
        Path(r.path).name: r.split
        for r in records
        if "with_mask/" in r.path and "without" not in r.path
    }
    assert all(splits[n] == splits[f"copy_{n}"] for n in splits if not n.startswith("copy_"))
    for group in {r.group for r in records}:
        assert len({r.split for r in records if r.group == group}) == 1
    assert isinstance(summary["moved_to_their_near_duplicates"], int)
    assert summary["moved_to_their_near_duplicates"] > 0


def test_the_same_data_gives_the_same_records(tmp_path: Path) -> None:
    write_coco(tmp_path / "data", 12)
    prepare(tmp_path / "data", tmp_path / "a", Wishes(), QUIET)
    prepare(tmp_path / "data", tmp_path / "b", Wishes(), QUIET)
    assert (tmp_path / "a/records.jsonl").read_bytes() == (
        tmp_path / "b/records.jsonl"
    ).read_bytes()


def test_named_sets_are_read_in_their_own_layout_and_counted_with_licences(tmp_path: Path) -> None:
    write_coco(tmp_path / "data/detection", 12)
    write_classes(tmp_path / "more", 3)
    shutil.move(tmp_path / "more/without_mask", tmp_path / "data/gender")
    (tmp_path / "data/detection/images/000.png").write_bytes(b"")
    prepare(tmp_path / "data", tmp_path / "out", Wishes(), QUIET)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert set(summary["pictures"]) == {"detection", "gender"}
    assert "UTKFace" in summary["licences"]["gender"]
    assert "000.png" in (tmp_path / "out/problems.txt").read_text()
    records = list(read_records(tmp_path / "out/records.jsonl"))
    assert {r.crop for r in records if r.set == "gender"} == {"without_mask"}
    assert {r.set for r in records if boxed_by_people(r)} == {"detection"}


def test_the_table_names_the_folders_without_their_path_and_fits_80_columns(tmp_path: Path) -> None:
    write_coco(tmp_path / "data/detection", 8)
    (tmp_path / "data/masked_people").mkdir()
    cv2.imwrite(str(tmp_path / "data/masked_people/anna_1.png"), scene(90)[0])
    said = io.StringIO()
    prepare(tmp_path / "data", tmp_path / "out", Wishes(), Console(file=said, width=80))
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in said.getvalue().split("\n")
    ]
    assert ["detection", "the public set", "by source", "8", "16", "0"] in rows
    assert ["masked_people", "the public set", "by source", "1", "not known", "0"] in rows
    assert {row[1] for row in rows if row[:1] == ["detection"]} >= {"train", "validation"}


def test_duplicates_are_listed_exact_and_near_and_a_contradiction_is_left_out(
    tmp_path: Path,
) -> None:
    write_classes(tmp_path / "data", 12, ("with_mask", "without_mask"))
    source = tmp_path / "data/with_mask/000.png"
    shutil.copy(source, tmp_path / "data/with_mask/same.png")
    shutil.copy(tmp_path / "data/with_mask/001.png", tmp_path / "data/without_mask/wrong.png")
    prepare(tmp_path / "data", tmp_path / "out", Wishes(), QUIET)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["duplicates"]["exact"] == 2
    assert report["duplicates"]["left_out_as_contradicting"] == 2
    records = list(read_records(tmp_path / "out/records.jsonl"))
    names = {f"{r.crop}/{Path(r.path).name}" for r in records}
    assert "with_mask/same.png" in names
    assert "with_mask/001.png" not in names
    assert "without_mask/wrong.png" not in names
    assert "are the same file; both are left out" in (tmp_path / "out/problems.txt").read_text()
    rows = (tmp_path / "out/duplicates.csv").read_text().splitlines()
    assert rows[0] == "file,other,bits,exact,across_splits"
    assert any("same.png" in row and ",0,True," in row for row in rows)


def test_sharpness_that_tells_the_classes_apart_is_warned_of(tmp_path: Path) -> None:
    write_classes(tmp_path / "data", 15, ("with_mask", "without_mask"))
    prepare(tmp_path / "data", tmp_path / "alike", Wishes(), QUIET)
    for path in (tmp_path / "data/with_mask").glob("*.png"):
        picture = cv2.imread(str(path))
        assert picture is not None
        cv2.imwrite(str(path), cv2.GaussianBlur(picture, (0, 0), 4))
    prepare(tmp_path / "data", tmp_path / "blurred", Wishes(), QUIET)
    alike, blurred = (
        json.loads((tmp_path / name / "report.json").read_text()) for name in ("alike", "blurred")
    )
    pair = "with_mask / without_mask"
    assert blurred["told_apart_by"][pair]["sharpness"] > 0.95
    assert any("sharpness alone tells with_mask" in w for w in blurred["warnings"])
    assert blurred["classes"]["with_mask"]["faces"] == 15
    low, middle, high = blurred["classes"]["with_mask"]["sharpness"]
    assert low <= middle <= high < alike["classes"]["with_mask"]["sharpness"][0]
    for name in ("report.png", "sheet_with_mask.png", "sheet_without_mask.png"):
        shown = cv2.imread(str(tmp_path / "blurred" / name))
        assert shown is not None
        assert shown.std() > 10


def test_each_class_of_an_own_set_is_on_both_sides_where_it_has_two_groups(tmp_path: Path) -> None:
    for count in (2, 5):
        write_classes(tmp_path / f"{count}", count, ("with_mask", "without_mask"))
        prepare(tmp_path / f"{count}", tmp_path / "out", Wishes(), QUIET)
        records = list(read_records(tmp_path / "out/records.jsonl"))
        for label in ("with_mask", "without_mask"):
            assert {r.split for r in records if r.crop == label} == {"train", "validation"}


def test_a_picture_that_is_cut_short_one_group_and_one_class_are_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "data", 2, ("with_mask",))
    first, second = sorted((tmp_path / "data/with_mask").iterdir())
    picture = cv2.imread(str(first))
    assert picture is not None
    cv2.imwrite(str(first.with_suffix(".jpg")), cv2.resize(picture, (400, 400)))
    torn = first.with_suffix(".jpg")
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    second.unlink()
    prepare(tmp_path / "data", tmp_path / "out", Wishes(), QUIET)
    problems = (tmp_path / "out/problems.txt").read_text()
    assert "000.jpg: is not a readable picture; left out" in problems
    assert "with_mask: all 1 pictures are one group" in problems
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert any("every labelled face is with_mask" in w for w in report["warnings"])


def test_mask_pictures_among_the_sets_are_remembered_for_the_other_commands(tmp_path: Path) -> None:
    write_coco(tmp_path / "data/detection", 12)
    assert prepared_templates(tmp_path / "out") is None
    prepare(tmp_path / "data", tmp_path / "out", Wishes(), QUIET)
    assert prepared_templates(tmp_path / "out") is None
    (tmp_path / "data/mask_templates").mkdir()
    prepare(tmp_path / "data", tmp_path / "out", Wishes(), QUIET)
    assert prepared_templates(tmp_path / "out") == tmp_path / "data/mask_templates"


def in_folders(root: Path, count: int, splits: tuple[str, ...]) -> None:
    """A YOLO export of `count` pictures of two faces in each split."""
    (root).mkdir(parents=True)
    (root / "data.yaml").write_text("names: [with_mask, without_mask, incorrect_mask]\n")
    names = ("with_mask", "without_mask", "incorrect_mask")
    for place, split in enumerate(splits):
        for folder in ("images", "labels"):
            (root / split / folder).mkdir(parents=True)
        for n in range(count):
            picture, faces = scene(100 * place + n)
            cv2.imwrite(str(root / split / "images" / f"{n}.png"), picture)
            lines = [
                f"{names.index(label)} {(x0 + x1) / 320} {(y0 + y1) / 240} {(x1 - x0) / 160} "
                f"{(y1 - y0) / 120}"
                for (x0, y0, x1, y1), label in faces
            ]
            (root / split / "labels" / f"{n}.txt").write_text("\n".join(lines))


def test_folders_keep_their_split_and_a_training_copy_of_a_test_picture_is_left_out(
    tmp_path: Path,
) -> None:
    root = tmp_path / "export"
    in_folders(root, 12, ("train", "valid", "test"))
    shutil.copy(root / "test/images/3.png", root / "train/images/copy.png")
    shutil.copy(root / "test/labels/3.txt", root / "train/labels/copy.txt")
    summary = prepare(root, tmp_path / "out", Wishes(), QUIET)
    records = list(read_records(tmp_path / "out/records.jsonl"))
    expected = {"train": "train", "valid": "validation", "test": "test"}
    assert all(expected[Path(r.path).parts[-3]] == r.split for r in records)
    assert summary["pictures"] == {"export": {"train": 12, "validation": 12, "test": 12}}
    assert summary["left_out_as_duplicates"] == 1
    (line,) = (tmp_path / "out/problems.txt").read_text().splitlines()
    assert line.startswith(f"{root / 'train/images/copy.png'}: left out, because the test split")
    assert line.endswith("test/images/3.png")


def test_a_test_share_gives_each_class_of_an_own_set_a_test_split(tmp_path: Path) -> None:
    write_classes(tmp_path / "data", 9, ("with_mask", "without_mask"))
    console = Console(record=True, width=200)
    prepare(tmp_path / "data", tmp_path / "out", Wishes(), console)
    assert "thresholds and figures will come from the same pictures" in console.export_text()
    prepare(tmp_path / "data", tmp_path / "out", Wishes(test_share=0.2), console)
    assert "will come from the same pictures" not in console.export_text()
    records = list(read_records(tmp_path / "out/records.jsonl"))
    for label in ("with_mask", "without_mask"):
        there = {r.split for r in records if r.crop == label}
        assert there == {"train", "validation", "test"}


def test_a_duplicate_of_a_picture_for_validation_alone_is_kept_out_of_training(
    tmp_path: Path,
) -> None:
    write_classes(tmp_path / "data/mine", 12, ("with_mask", "without_mask"))
    write_coco(tmp_path / "data/web", 6)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    shutil.copytree(tmp_path / "data/mine/with_mask", foreign / "with_mask")
    console = Console(record=True, width=250)
    wishes = Wishes(validation=(foreign,))
    prepare(tmp_path / "data", tmp_path / "out", wishes, console)
    records = list(read_records(tmp_path / "out/records.jsonl"))
    assert {r.split for r in records if r.set == "foreign"} == {"validation"}
    assert "train" not in {r.split for r in records if r.set == "mine" and r.crop == "with_mask"}
    said = console.export_text()
    for row in (
        r"mine +│ class folders +│ by source +│",
        r"web +│ COCO +│ by source +│ +6 │ +12 │ +0 ",
        r"foreign +│ class folders +│ validation alone +│ +12 │ +12 │ +0 ",
    ):
        assert re.search(row, said), row
    assert "because validation or test holds the same picture" in said


def test_the_command_takes_names_of_labels_and_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_classes(tmp_path / "data", 3, ("with_mask", "without_mask"))
    (tmp_path / "data/with_mask").rename(tmp_path / "data/con mascarilla")
    shutil.copytree(tmp_path / "data", tmp_path / "kept")
    (tmp_path / "data/film.mp4").write_bytes(b"film")
    folders = ("--data", str(tmp_path / "data"), "--prepared", str(tmp_path / "out"))
    with pytest.raises(UnknownLabelError, match="con mascarilla=with_mask"):
        app(["prepare", *folders], standalone_mode=False)
    own = ("--label", "con mascarilla=with_mask", "--validation", str(tmp_path / "kept"))
    app(["prepare", *folders, *own], standalone_mode=False)
    assert "kinds that are not read: 1 .mp4" in capsys.readouterr().out
    assert "film.mp4" in (tmp_path / "out/problems.txt").read_text()
    with pytest.raises(typer.BadParameter, match="is not NAME=LABEL"):
        app(["prepare", *folders, "--label", "hat=head"], standalone_mode=False)
