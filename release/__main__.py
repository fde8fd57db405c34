"""`python -m release`: print, check or set the version, and print its notes."""

import argparse
import sys
from datetime import UTC, datetime

from release.changelog import close_unreleased, notes
from release.version import ReleaseError, check_version, project_version, set_version


def main() -> None:
    """Run the command; each fault is printed as one sentence, and the exit status is then 1."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version", help="print the version of pyproject.toml")
    check = commands.add_parser("check", help="check that every file says the same version")
    check.add_argument(
        "tag",
        nargs="?",
        help="check also that this tag is v and the version, and that CHANGELOG.md has its notes",
    )
    of = commands.add_parser("notes", help="print the notes of a version in CHANGELOG.md")
    of.add_argument("version")
    change = commands.add_parser(
        "set",
        help="write a new version into every file, and close CHANGELOG.md's section Unreleased",
    )
    change.add_argument("version")
    asked = parser.parse_args()
    try:
        match asked.command:
            case "version":
                print(project_version())
            case "check":
                version = check_version(asked.tag)
                if asked.tag is not None:
                    notes(version)
                print(f"every file says {version}")
            case "notes":
                print(notes(asked.version), end="")
            case "set":
                changed = set_version(asked.version)
                close_unreleased(asked.version, datetime.now(UTC).date())
                print(*changed, "CHANGELOG.md", sep="\n")
    except ReleaseError as error:
        sys.exit("\n".join(f"release: {fault}" for fault in error.faults))


if __name__ == "__main__":
    main()
