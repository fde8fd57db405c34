"""The map of the code is true: each file and each name on it exists, and each package is on it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = (ARCHITECTURE, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/decisions/*.md")))
FOLDERS = sorted(
    path.name
    for path in ROOT.iterdir()
    if path.is_dir() and path.name not in {"var", "build"} and not path.name.startswith(".")
)


def paths_on(page: Path) -> set[tuple[str, str]]:
    """Return the files and folders that a page names, each with a dotted name in it or ""."""
    words = re.findall(r"`([^`\n]+)`", page.read_text())
    found = (
        re.fullmatch(rf"((?:{'|'.join(FOLDERS)})/[\w./-]*)(?:::([\w.]+))?", word) for word in words
    )
    return {(match[1], match[2] or "") for match in found if match is not None}


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the dotted names that a module defines, with the members of its classes."""
    return frozenset(_names(ast.parse(file.read_text()).body))


def _names(body: list[ast.stmt], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                names.add(prefix + statement.name)
            case ast.ClassDef():
                names.add(prefix + statement.name)
                names |= _names(statement.body, f"{prefix}{statement.name}.")
            case ast.Assign(targets=targets):
                names |= {prefix + each.id for each in targets if isinstance(each, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(prefix + name)
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_name_on_a_page_exists(page: Path) -> None:
    missing = [
        f"{path}::{name}" if name else path
        for path, name in sorted(paths_on(page))
        if not (ROOT / path).exists() or (name and name not in names_in(ROOT / path))
    ]
    assert not missing, f"{page.name} names {missing}, and there is no such file or name"


def test_a_name_that_is_not_there_is_found_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`edge/delivery/outbox.py::Outbox.put`, `edge/delivery/outbox.py::Outbox.shout`,"
        " `edge/none.py`"
    )
    assert paths_on(page) == {
        ("edge/delivery/outbox.py", "Outbox.put"),
        ("edge/delivery/outbox.py", "Outbox.shout"),
        ("edge/none.py", ""),
    }
    names = names_in(ROOT / "edge" / "delivery" / "outbox.py")
    assert "Outbox.put" in names
    assert "Outbox.shout" not in names


def test_every_package_is_in_the_house() -> None:
    house = ARCHITECTURE.read_text().partition("## The house")[2].partition("\n## ")[0]
    packages = {
        f"{file.parent.relative_to(ROOT)}/"
        for folder in FOLDERS
        for file in [*ROOT.glob(f"{folder}/__init__.py"), *ROOT.glob(f"{folder}/*/__init__.py")]
        if folder != "tests"
    } | {f"{file.parent.relative_to(ROOT)}/" for file in ROOT.glob("cloud/*/*/__init__.py")}
    inner = {"dashboard/views/", "training/commands/"}
    missing = sorted(name for name in packages - inner if f"`{name}`" not in house)
    assert not missing


@pytest.mark.parametrize("thing", ["channel", "page", "metric", "setting", "model"])
def test_contributors_read_how_to_add_things_and_which_test_fails_first(thing: str) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    sections = [
        section
        for section in re.split(r"^### ", page, flags=re.MULTILINE)
        if section.startswith(f"Add a {thing}")
    ]
    assert len(sections) == 1
    assert re.search(r"`tests/[\w./]+", sections[0]) is not None


def test_newcomers_find_at_least_ten_tasks() -> None:
    tasks = ARCHITECTURE.read_text().partition("## Where to change what")[2]
    rows = re.findall(r"^\| .+ \| .+ \|$", tasks, re.MULTILINE)[1:]
    assert len(rows) >= 10
    assert all("`" in row or "](" in row for row in rows)
