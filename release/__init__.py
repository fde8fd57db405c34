"""The tools of a release: one version everywhere, its notes, its packages and their publication.

docs/release.md has the steps. Begin to read in `version.py`:

- `version.py` knows every file that says the version, compares them, and writes a new one.
- `changelog.py` reads the notes of a version from CHANGELOG.md, and closes its section Unreleased.
- `charts.py` packages both charts for the images of a registry.
- `publish.sh` pushes and signs the images and the charts.
"""
