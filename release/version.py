"""The version of the project, and every file that says it.

This module needs only the standard library: a workflow runs it on a machine without packages.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

SEMANTIC: Final = r"\d+\.\d+\.\d+(?:-[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)*)?"
"""A version of Semantic Versioning (https://semver.org). It has no build metadata, since the tag of
an image cannot hold a plus sign."""

TAG: Final = r"(\d+\.\d+\.\d+(?:-(?!amd64|arm64|gpu)[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)*)?)"
"""The version in the tag of an image; a platform or a variant may follow it."""

ARTEFACT: Final = rf"maskgate/(?:cloud|dashboard|edge|charts/[a-z-]+):{TAG}"
"""An image or a chart of Maskgate with its tag."""

PLACES: Final[tuple[tuple[str, str], ...]] = (
    ("pyproject.toml", r'^version = "(.+)"$'),
    ("edge/__init__.py", r'^__version__ = "(.+)"$'),
    ("charts/*/Chart.yaml", r'^version: "?([^"\n]+?)"?$'),
    ("charts/*/Chart.yaml", r'^appVersion: "?([^"\n]+?)"?$'),
    ("*.md", ARTEFACT),
    ("docker/*.md", ARTEFACT),
    ("docs/*.md", ARTEFACT),
    ("docs/*.md", rf"\bimage\.tag={TAG}"),
    ("docs/*.md", rf"MASKGATE_VERSION=({SEMANTIC})"),
    ("docs/*.md", rf"--version ({SEMANTIC})"),
    ("docs/*.md", rf"refs/tags/v({SEMANTIC})"),
)
"""Files, as glob patterns, and the text around the version in them; the others follow the first."""

MUST_SAY: Final = (".toml", ".py", "Chart.yaml")
"""Endings of files that must say the version."""


class ReleaseError(Exception):
    """A fault that forbids a release, or several: each is one sentence."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Mention:
    """One place that says the version.

    Args:
        file: The file, relative to the repository.
        line: The number of the line, from 1.
        version: The version that stands there.
    """

    file: Path
    line: int
    version: str


def mentions(root: Path = ROOT) -> Iterator[Mention]:
    """Find every mention of the version.

    Args:
        root: The folder of the repository.

    Yields:
        The mentions; the one of pyproject.toml is the first.

    Raises:
        ReleaseError: A file that must say the version is missing, or does not say it.
    """
    for pattern, said in PLACES:
        files = sorted(root.glob(pattern))
        found = [
            Mention(file.relative_to(root), text.count("\n", 0, match.start()) + 1, match[1])
            for file in files
            for text in [file.read_text()]
            for match in re.finditer(said, text, re.MULTILINE)
        ]
        if pattern.endswith(MUST_SAY) and {each.file for each in found} != {
            file.relative_to(root) for file in files or [root / pattern]
        }:
            raise ReleaseError(f"{pattern} must say the version, in a line like {said}")
        yield from found


def project_version(root: Path = ROOT) -> str:
    """Return the version of pyproject.toml."""
    return next(mentions(root)).version


def check_version(tag: str | None = None, root: Path = ROOT) -> str:
    """Compare all mentions of the version, and a tag, with pyproject.toml.

    Args:
        tag: The tag of a release, such as `v0.2.0`; None where there is none.
        root: The folder of the repository.

    Returns:
        The version.

    Raises:
        ReleaseError: A file says another version, or the tag does; the message names each place.
    """
    version = project_version(root)
    faults = [
        f"{each.file}:{each.line} says {each.version}, pyproject.toml says {version}"
        for each in mentions(root)
        if each.version != version
    ]
    if not re.fullmatch(SEMANTIC, version):
        faults.append(
            f"pyproject.toml says {version}, which is not a version like 1.2.3 or 1.2.3-rc.1"
        )
    if tag is not None and tag != f"v{version}":
        faults.append(
            f"the tag is {tag}, pyproject.toml says {version}: the tag must be v{version}"
        )
    if faults:
        raise ReleaseError(*faults)
    return version


def set_version(version: str, root: Path = ROOT) -> list[Path]:
    """Write a new version into every file.

    Args:
        version: The new version, such as `0.2.0`.
        root: The folder of the repository.

    Returns:
        The files that have changed.

    Raises:
        ReleaseError: The version is not one of Semantic Versioning.
    """
    if not re.fullmatch(SEMANTIC, version):
        raise ReleaseError(f"{version} is not a version like 1.2.3 or 1.2.3-rc.1")
    changed: list[Path] = []
    for pattern, said in PLACES:
        for file in sorted(root.glob(pattern)):
            text = file.read_text()
            new = re.sub(
                said, lambda match: match[0].replace(match[1], version), text, flags=re.MULTILINE
            )
            if new != text:
                file.write_text(new)
                changed.append(file.relative_to(root))
    return sorted(set(changed))
