"""CHANGELOG.md: the section of a version, and the turn of what is unreleased into one."""

import re
from datetime import date
from pathlib import Path

from release.version import ROOT, ReleaseError


def notes(version: str, root: Path = ROOT) -> str:
    """Return what CHANGELOG.md says of a version, without its heading.

    Args:
        version: A version such as `0.2.0`.
        root: The folder of the repository.

    Raises:
        ReleaseError: The version has no section with a date, or nothing stands in it.
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
            f"`python -m release set {version}` makes it"
        )
    if not heading[1].strip():
        raise ReleaseError(f"CHANGELOG.md says nothing of {version}")
    return heading[1].strip() + "\n"


def close_unreleased(version: str, day: date, root: Path = ROOT) -> None:
    """Make the section Unreleased that of a version, and begin a new one above it.

    Args:
        version: The version, such as `0.2.0`.
        day: The day of the release.
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
