"""The page of wrong verdicts: worst first, with file names, in one file that loads nothing."""

import re
from pathlib import Path

import numpy as np

from training.figures import mistakes_page
from training.figures.mistakes_page import Mistake, shown_file, thumbnail, write_mistakes

FACE = np.full((40, 30, 3), 90, np.uint8)


def mistake(
    file: str, truth: str = "without_mask", said: str = "with_mask", p: float | None = 0.9
) -> Mistake:
    return Mistake(FACE, file, truth, said, p)


def test_the_worst_comes_first_and_each_face_has_file_labels_and_probability(
    tmp_path: Path,
) -> None:
    page = tmp_path / "new" / "mistakes.html"
    write_mistakes(
        [
            mistake("far.png", "with_mask", "", None),
            mistake("shy.png", "with_mask", "without_mask", 0.3),
            mistake("unsure.png", p=0.7),
            mistake("sure.png", "incorrect_mask", p=0.99),
        ],
        50,
        "classifier of run",
        page,
    )
    text = page.read_text()
    assert re.findall(r"<b>(.*?)</b>", text) == ["sure.png", "unsure.png", "shy.png", "far.png"]
    assert "4 of 50 faces got a wrong verdict" in text
    assert "label: incorrect_mask" in text
    assert "model: with_mask (with_mask 0.99)" in text
    assert text.count("data:image/jpeg;base64,") == 4
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert 'name="viewport"' in text


def test_a_file_name_is_no_markup_and_need_be_no_text(tmp_path: Path) -> None:
    page = tmp_path / "mistakes.html"
    write_mistakes(
        [mistake('<script>alert("x")</script>.png'), mistake("b\udcff.png")], 2, "a & b", page
    )
    text = page.read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "a &amp; b" in text
    assert "b\\udcff.png" in text


def test_a_page_without_mistakes_says_so_and_a_long_one_says_what_it_leaves_out(
    tmp_path: Path,
) -> None:
    page = tmp_path / "mistakes.html"
    write_mistakes([], 5, "t", page)
    assert "No verdict was wrong." in page.read_text()
    many = [mistake(f"{n}.png", p=n / 1000) for n in range(mistakes_page.MOST + 3)]
    write_mistakes(many, 1000, "t", page)
    text = page.read_text()
    assert "leaves out the last 3" in text
    assert text.count("<li>") == mistakes_page.MOST
    assert "<b>0.png</b>" not in text


def test_a_thumbnail_keeps_its_proportions() -> None:
    assert thumbnail(np.zeros((1000, 500, 3), np.uint8)).shape == (160, 80, 3)
    assert thumbnail(FACE).shape == FACE.shape


def test_a_file_in_the_working_folder_is_shown_from_there() -> None:
    assert shown_file(Path.cwd() / "mine" / "a.png") == "mine/a.png"
    assert shown_file("/elsewhere/a.png") == "/elsewhere/a.png"
