"""CHANGELOG.md: the notes of a version, and the closing of the section Unreleased."""

import re
from datetime import date
from pathlib import Path

from release.version import ROOT, ReleaseError


def notes(version: str, root: Path = ROOT) -> str:
    """Read the notes of a version: its section in CHANGELOG.md.

    Args:
        version: A version such as `0.2.0`.
        root: The folder of the repository.

    Returns:
        The notes, without the heading.

    Raises:
        ReleaseError: The version has no section with a date, or the section is empty.
    """
    text = (root / "CHANGELOG.md").read_text()
    heading = re.search(
        rf"^## {re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}\n(.*?)(?=^## |\Z)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    if heading is None:
        raise ReleaseError(
            f"CHANGELOG.md has no section `## {version} - YYYY-MM-DD`; "
            f"make it with `python -m release set {version}`"
        )
    if not heading[1].strip():
        raise ReleaseError(f"CHANGELOG.md has no notes of {version}: its section is empty")
    return heading[1].strip() + "\n"


def close_unreleased(version: str, day: date, root: Path = ROOT) -> None:
    """Give the section Unreleased the heading of a version, and begin a new Unreleased above it.

    Args:
        version: The version, such as `0.2.0`.
        day: The date of the release.
        root: The folder of the repository.

    Raises:
        ReleaseError: There is no section Unreleased, or the version has one already.
    """
    file = root / "CHANGELOG.md"
    text = file.read_text()
    if re.search(rf"^## {re.escape(version)} ", text, re.MULTILINE):
        raise ReleaseError(f"CHANGELOG.md has a section for {version} already")
    closed, count = re.subn(
        r"^## Unreleased$",
        f"## Unreleased\n\n## {version} - {day.isoformat()}",
        text,
        count=1,
        flags=re.MULTILINE,
    )
    if not count:
        raise ReleaseError("CHANGELOG.md has no section `## Unreleased`")
    file.write_text(closed)
