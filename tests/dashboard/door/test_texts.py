"""The words of the page at a door: the same in each language."""

import json
import re
from pathlib import Path

import pytest

from dashboard.door.routes import FOLDER, LANGUAGES
from dashboard.door.scene import View


def words(language: str) -> dict[str, object]:
    path = FOLDER / "texts" / f"{language}.json"
    read: dict[str, object] = json.loads(path.read_text("utf-8"))
    return read


def keys(value: object, at: str = "") -> set[str]:
    if isinstance(value, dict):
        return {key for name, part in value.items() for key in keys(part, f"{at}.{name}")}
    return {f"{at}{sorted(re.findall(r'[{][a-z]+[}]', str(value)))}"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_same_texts_with_the_same_gaps(language: str) -> None:
    assert keys(words(language)) == keys(words("en"))


def test_each_view_has_its_texts() -> None:
    assert {view.value for view in View} <= set(words("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_names_a_command_a_setting_or_an_address(language: str) -> None:
    said = json.dumps(words(language))
    assert not re.search(
        r"DASHBOARD_|CLOUD_|python|localhost|127\.0|http|redis", said, re.IGNORECASE
    )


def test_the_page_and_its_files_are_small() -> None:
    sizes = [path.stat().st_size for path in (FOLDER / "page").iterdir()]
    sizes += [path.stat().st_size for path in (FOLDER / "texts").iterdir()]
    assert sum(sizes) < 60 * 1024


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = Path(FOLDER / "page" / "door.html").read_text("utf-8")
    assert "://" not in page
