import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.clips import BARE, CLIP, MASKED, clip, varied, write_video
from tests.training.full_disk import under_limit
from training.graphs.face_finder import Face, FaceFinder
from training.preparing.collect import Choice, Collector, FixedLabel, Quota, Refusal, Rules
from training.preparing.crop_store import CropStore
from training.preparing.frames import Frame
from training.records.crop_index import CollectedCrop, read_index

ROOT = Path(__file__).parents[3]
MASK = FixedLabel(Choice.WITH_MASK)


@dataclass
class Shown:
    """A feed of pictures, one each `step` seconds."""

    pictures: list[np.ndarray]
    step: float = 0.2
    live: bool = False
    flowing: bool = True
    name: str = "made up"

    def __iter__(self) -> Iterator[Frame]:
        for n, picture in enumerate(self.pictures):
            yield Frame(picture, n * self.step, f"{n}")


@dataclass
class Notes:
    crops: list[CollectedCrop] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def saved(self, crop: CollectedCrop) -> None:
        self.crops.append(crop)

    def refused(self, why: Refusal) -> None:
        self.refusals.append(why)

    def hint(self, words: str) -> None:
        self.hints.append(words)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


Collecting = Callable[..., tuple[Collector, CropStore, Notes]]


@pytest.fixture
def collecting(tmp_path: Path, finder: FaceFinder) -> Collecting:
    def made(**settings: object) -> tuple[Collector, CropStore, Notes]:
        notes, collection = Notes(), CropStore(tmp_path / "mine")
        rules = settings.pop("rules", Rules())
        return Collector(finder, collection, rules, notes, **settings), collection, notes  # type: ignore[arg-type]

    return made


def bare(count: int) -> list[np.ndarray]:
    return varied([clip()[n] for n in BARE], count)


def test_faces_are_saved_with_margin_until_there_are_enough(collecting: Collecting) -> None:
    collector, collection, notes = collecting()
    collector.run(Shown(bare(30)), Quota(MASK, 5, "with_mask"))
    assert collection.count("with_mask") == len(notes.crops) == 5
    for crop in notes.crops:
        picture = cv2.imread(str(collection.folder / crop.file))
        assert picture is not None
        x0, y0, x1, y1 = crop.box
        assert 0 <= x0 < x1 <= picture.shape[1]
        assert 0 <= y0 < y1 <= picture.shape[0]
        assert max(picture.shape[:2]) > 1.3 * max(x1 - x0, y1 - y0)
        assert crop.time.endswith("Z")
        assert len(crop.hash) == 16


def test_what_was_there_before_is_a_duplicate_also_in_the_next_run(collecting: Collecting) -> None:
    pictures = bare(12)
    collector, collection, notes = collecting()
    collector.run(Shown([*pictures, *pictures]), Quota(MASK, 99))
    kept = collection.count()
    assert notes.refusals.count(Refusal.DUPLICATE) >= kept >= 5
    again, collection, notes = collecting()
    again.run(Shown(pictures), Quota(MASK, 99))
    assert notes.crops == []
    assert collection.count() == kept


def test_blurred_and_small_faces_are_refused_each_by_its_name(collecting: Collecting) -> None:
    sharp = clip()[BARE[-1]]
    collector, collection, notes = collecting()
    small = cv2.resize(sharp, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    collector.run(Shown([cv2.GaussianBlur(sharp, (0, 0), 6), small]), Quota(MASK, 9))
    assert notes.refusals == [Refusal.BLURRED, Refusal.TOO_SMALL]
    assert collection.count() == 0


def test_hints_say_what_to_do_and_not_in_every_frame(collecting: Collecting) -> None:
    empty, face = clip()[0], clip()[BARE[-1]]
    collector, _, notes = collecting()
    collector.run(Shown([*[empty] * 8, *[face] * 12], step=2.0), Quota(MASK, 99))
    assert notes.hints == [
        "no face for 10 seconds: step in front of the camera",
        "nearly the same picture as before: turn your head, step back and forth",
    ]
    dark, _, notes = collecting(rules=Rules(min_sharpness=0, near=-1))
    gloomy, night = (cv2.convertScaleAbs(face, alpha=a) for a in (0.3, 0.02))
    dark.run(Shown([gloomy, night, night]), Quota(MASK, 99))
    assert notes.hints == [
        "the face is too dark: more light from the front",
        "the picture is too dark: more light",
    ]


def test_crops_of_one_visit_are_one_group_and_a_new_visit_begins_after_a_gap(
    collecting: Collecting,
) -> None:
    pictures, empty = bare(30), clip()[0]
    collector, _, notes = collecting(session="s")
    collector.run(Shown([*pictures[:10], *[empty] * 15, *pictures[10:]]), Quota(MASK, 99))
    assert {c.group for c in notes.crops} == {"s-1-0", "s-2-0"}
    assert notes.crops[0].group != notes.crops[-1].group
    named, _, notes = collecting(person="anna", rules=Rules(near=0))
    named.run(Shown(bare(8)), Quota(MASK, 99))
    assert {c.group for c in notes.crops} <= {"anna"}


class Pressed:
    """Keys that somebody presses, one for each face that could be saved."""

    def __init__(self, *keys: Choice) -> None:
        self.keys = list(keys)

    def choose(self, frame: Frame, face: Face, *, live: bool) -> Choice:
        return self.keys.pop(0)

    def show(self, frame: Frame, face: Face | None, words: str) -> bool:
        return True


def test_a_key_for_each_face_decides_its_class_folder(collecting: Collecting) -> None:
    keys = Pressed(Choice.WITHOUT_MASK, Choice.SKIP, Choice.INCORRECT_MASK, Choice.QUIT)
    collector, collection, notes = collecting()
    collector.run(Shown(bare(20)), Quota(keys, 99))
    assert [c.label for c in notes.crops] == ["without_mask", "incorrect_mask"]
    assert notes.refusals[:1] == [Refusal.SKIPPED]
    assert keys.keys == []
    assert sorted(p.name for p in collection.folder.iterdir() if p.is_dir()) == [
        "incorrect_mask",
        "without_mask",
    ]


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"}
    return subprocess.run(
        [sys.executable, "-m", "training", "collect", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_two_videos_with_a_label_each_become_class_folders_an_index_and_a_sheet(
    tmp_path: Path,
) -> None:
    frames = clip()
    write_video(tmp_path / "bare.avi", varied([frames[n] for n in BARE], 16))
    write_video(tmp_path / "masked.avi", varied([frames[n] for n in MASKED], 16))
    done = command(
        tmp_path, "--source", "masked.avi", "--label", "with_mask", "--source", "bare.avi",
        "--label", "without_mask", "--out", "mine", "--count", "4", "--every", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "8 new crops" in done.stdout
    rows = read_index(tmp_path / "mine/index.csv")
    assert [r.label for r in rows] == ["with_mask"] * 4 + ["without_mask"] * 4
    assert {r.source for r in rows} == {"masked.avi", "bare.avi"}
    assert all((tmp_path / "mine" / r.file).is_file() for r in rows)
    sheet = cv2.imread(str(tmp_path / "mine/contact_sheet.png"))
    assert sheet is not None
    assert sheet.std() > 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--source", str(CLIP), "--out", "x"), "--label"),
        (("--source", "nowhere.mp4", "--label", "with_mask", "--out", "x"), "does not exist"),
        (("--source", str(CLIP), "--label", "hat", "--out", "x"), "'hat' is not one of with_mask"),
        (("--source", "blank.png", "--label", "with_mask", "--out", "x"), "no face of with_mask"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_mend(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((200, 200, 3), 128, np.uint8))
    done = command(tmp_path, *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_ends_it_by_name_and_all_that_was_saved_is_whole(tmp_path: Path) -> None:
    for n, frame in enumerate(bare(10)):
        # Ever more noise, and so ever larger crops: the last ones no longer fit.
        noise = np.random.default_rng(n).normal(0, 4 * n, frame.shape)
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.clip(frame + noise, 0, 255).astype(np.uint8))
    code = (
        "import sys; sys.argv = ['training', 'collect', *sys.argv[1:]]; "
        "from training.__main__ import main; main()"
    )
    arguments = (
        "--source", str(tmp_path), "--label", "with_mask", "--out", str(tmp_path / "mine"),
        "--near", "0", "--min-sharpness", "0",
    )  # fmt: skip
    done = under_limit(code, 100_000, *arguments)
    assert done.returncode == 1
    assert "StorageError" in done.stderr
    assert "disk is full" in done.stderr
    collection = CropStore(tmp_path / "mine")
    files = list((tmp_path / "mine/with_mask").iterdir())
    assert len(files) == collection.count() > 0
    assert all(cv2.imread(str(f)) is not None for f in files)
