"""Every file says the same version, a tag must equal it, and CHANGELOG.md has its notes."""

import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from release.changelog import close_unreleased, notes
from release.version import PLACES, ROOT, ReleaseError, check_version, mentions, set_version

CHARTS = {Path("charts/maskgate/Chart.yaml"), Path("charts/maskgate-edge/Chart.yaml")}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with a copy of every file that says the version, and of the change log."""
    files = {file for pattern, _ in PLACES for file in ROOT.glob(pattern)}
    for file in files:
        place = tmp_path / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return tmp_path


def test_one_version_is_said_everywhere() -> None:
    check_version()


def test_the_places_that_say_the_version_are_known() -> None:
    said = [each.file for each in mentions()]
    assert {Path("pyproject.toml"), Path("edge/__init__.py"), *CHARTS} <= set(said)
    assert all(said.count(chart) == 2 for chart in CHARTS)  # version and appVersion


def test_a_tag_of_another_version_is_refused() -> None:
    with pytest.raises(ReleaseError, match=r"the tag is v9\.9\.9, pyproject\.toml says "):
        check_version("v9.9.9")


@pytest.mark.parametrize("chart", sorted(CHARTS))
@pytest.mark.parametrize("field", ["version", "appVersion"])
def test_a_chart_that_lags_behind_is_named(copy: Path, chart: Path, field: str) -> None:
    version = check_version(root=copy)
    file = copy / chart
    file.write_text(file.read_text().replace(f"\n{field}: {version}", f"\n{field}: 0.0.7"))
    with pytest.raises(ReleaseError, match=rf"{chart}:\d+ says 0\.0\.7, pyproject\.toml says "):
        check_version(root=copy)


def test_a_page_that_lags_behind_is_named(copy: Path) -> None:
    (copy / "docs" / "other.md").write_text("one\n\n    docker pull maskgate/edge:0.0.7\n")
    with pytest.raises(ReleaseError, match=r"docs/other\.md:3 says 0\.0\.7"):
        check_version(root=copy)


def test_a_file_that_says_no_version_is_named(copy: Path) -> None:
    (copy / "edge" / "__init__.py").write_text('"""Nothing."""\n')
    with pytest.raises(ReleaseError, match=r"edge/__init__\.py must say the version"):
        check_version(root=copy)


@pytest.mark.parametrize("version", ["0.2.0", "1.0.0-rc.1"])
def test_a_new_version_is_written_everywhere(copy: Path, version: str) -> None:
    changed = set_version(version, copy)
    assert {*CHARTS, Path("pyproject.toml"), Path("edge/__init__.py")} <= set(changed)
    assert check_version(f"v{version}", copy) == version


def test_what_is_no_version_is_not_written(copy: Path) -> None:
    with pytest.raises(ReleaseError, match=r"1\.2 is not a version"):
        set_version("1.2", copy)


def test_the_section_of_a_version_is_what_a_release_tells(copy: Path) -> None:
    (copy / "CHANGELOG.md").write_text(
        "# Changes\n\n## Unreleased\n### Added\n- A door.\n\n## 0.1.0 - 2026-01-02\n- It began.\n"
    )
    close_unreleased("0.2.0", date(2026, 3, 4), copy)
    assert notes("0.2.0", copy) == "### Added\n- A door.\n"
    assert notes("0.1.0", copy) == "- It began.\n"
    assert "## Unreleased\n\n## 0.2.0 - 2026-03-04\n" in (copy / "CHANGELOG.md").read_text()
    with pytest.raises(ReleaseError, match=r"has a section for 0\.2\.0 already"):
        close_unreleased("0.2.0", date(2026, 3, 4), copy)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Changes\n\n## Unreleased\n- A door.\n", r"has no section `## 0\.2\.0 - YYYY-MM-DD`"),
        ("# Changes\n\n## 0.2.0\n- A door.\n", r"has no section `## 0\.2\.0 - YYYY-MM-DD`"),
        (
            "# Changes\n\n## 0.2.0 - 2026-03-04\n\n## 0.1.0 - 2026-01-02\n- It began.\n",
            r"has no notes of 0\.2\.0",
        ),
    ],
)
def test_a_version_of_which_nothing_is_told_is_not_released(
    copy: Path, text: str, said: str
) -> None:
    (copy / "CHANGELOG.md").write_text(text)
    with pytest.raises(ReleaseError, match=said):
        notes("0.2.0", copy)


def test_the_command_needs_nothing_installed_and_names_each_fault() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            "import runpy, sys; sys.path.insert(0, '.');"
            "runpy.run_module('release', run_name='__main__', alter_sys=True)",
            "check",
            "v9.9.9",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("release: the tag is v9.9.9, pyproject.toml says ")
