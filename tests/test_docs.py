"""The documentation is true: its links lead somewhere and its commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("[!.v]*/*.md"), *ROOT.glob("docs/**/*.md")})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    inside = [target for target in targets if "://" not in target]
    missing = [target for target in inside if not (page.parent / target).exists()]
    assert not missing, f"{page.name} points to nothing at {missing}"


def _anchors_in(page: Path) -> set[str]:
    """Return the fragments that a forge makes of a page's headings."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", page.read_text(), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w -]", "", words).replace(" ", "-")
        anchors.add(anchor if anchor not in anchors else f"{anchor}-1")
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_a_heading_find_it(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text())
    inside = [
        (page.parent / file if file else page, anchor)
        for file, anchor in links
        if "://" not in file
    ]
    missing = [anchor for file, anchor in inside if anchor not in _anchors_in(file)]
    assert not missing, f"{page.name} points to headings that are not there: {missing}"


def test_every_page_can_be_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {page.relative_to(ROOT / "docs") for page in ROOT.glob("docs/**/*.md")}
    unreachable = {
        str(page)
        for page in pages
        if page.parts[0] != "decisions" and page.name != "README.md" and str(page) not in index
    }
    assert not unreachable


def test_decisions_are_numbered_without_gaps() -> None:
    records = sorted(DECISIONS.glob("0*.md"))
    numbers = [int(record.name[:4]) for record in records]
    assert numbers == list(range(1, len(records) + 1))
    titles = {record.name: record.read_text().partition("\n")[0] for record in records}
    wrong = {name: title for name, title in titles.items() if f"# {int(name[:4])}. " not in title}
    assert not wrong, "a decision's heading begins with its number"


def test_every_decision_is_in_their_index() -> None:
    index = (DECISIONS / "README.md").read_text()
    rows = re.findall(r"^\| \[(\d+)\]\(([\w.-]+)\) \| (.+) \|$", index, re.MULTILINE)
    titles = {
        record.name: record.read_text().partition("\n")[0] for record in DECISIONS.glob("0*.md")
    }
    assert titles == {name: f"# {number}. {title}" for number, name, title in rows}


def _targets_named(page: Path) -> set[str]:
    return set(re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE))


def test_the_readme_names_the_targets_that_everybody_needs() -> None:
    assert {"demo", "test", "lint", "bench"} <= _targets_named(ROOT / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert _targets_named(page) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_of_the_repository_that_a_page_names_exists(page: Path) -> None:
    folders = "|".join(
        path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in {"var", "build"}
    ).replace(".", r"\.")
    named = re.findall(
        rf"(?<![\w./-])((?:{folders})/[\w./-]+\.(?:md|py|sh|yaml|yml|toml|txt|json|example))\b",
        page.read_text(),
    )
    missing = [
        name
        for name in named
        if not {(ROOT / name).exists(), (page.parent / name).exists()} & {True}
    ]
    assert not missing


def test_every_make_target_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert set(phony[1].split()) == explained
