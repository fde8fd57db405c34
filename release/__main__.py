"""`python -m release`: the version, whether it may be released, and what is said of it."""

import argparse
import sys
from datetime import UTC, datetime

from release.changelog import close_unreleased, notes
from release.version import ReleaseError, check_version, project_version, set_version


def main() -> None:
    """Do what the command line asks for; a fault is one sentence each, and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version", help="print the version that pyproject.toml says")
    check = commands.add_parser("check", help="is one version said everywhere?")
    check.add_argument(
        "tag",
        nargs="?",
        help="must be that version with a v before it, and CHANGELOG.md must tell of it",
    )
    of = commands.add_parser("notes", help="print what CHANGELOG.md says of a version")
    of.add_argument("version")
    change = commands.add_parser(
        "set", help="write a new version everywhere, and close CHANGELOG.md's section Unreleased"
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
                print(f"{version} is said everywhere")
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
