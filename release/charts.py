"""`python -m release.charts REGISTRY`: package both charts for the published images.

In the repository `image.registry` is empty, so that a chart runs images that were built here. In a
package it is the registry with the images of the release, so that `helm install oci://…` needs no
value. In both, the tag of the images is the chart's appVersion.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from helm_python.chart import package

from charts.reference import charts, written
from release.version import ROOT, ReleaseError

PACKAGES: Final = ROOT / "var" / "release" / "charts"


def package_charts(registry: str, destination: Path) -> list[Path]:
    """Package both charts for the images of a registry.

    Args:
        registry: Where the images are, without the repository, such as `ghcr.io/owner`. Capitals
            become small letters, since the name of an image has none.
        destination: The folder for the packages; its content is deleted first.

    Returns:
        The packages, `NAME-VERSION.tgz`.

    Raises:
        ReleaseError: A chart's values.yaml has an image of Maskgate without the expected lines.
    """
    shutil.rmtree(destination, ignore_errors=True)
    copies = destination / "sources"
    packages = []
    for chart in charts():
        copy = copies / chart.name
        shutil.copytree(chart, copy, ignore=shutil.ignore_patterns("ci", "*.tgz"))
        values = copy / "values.yaml"
        values.write_text(_with_registry(values.read_text(), registry.lower(), chart.name))
        for file, text in written(copy):
            file.write_text(text)
        packages.append(Path(package(copy, destination=destination)))
    shutil.rmtree(copies)
    return packages


def _with_registry(values: str, registry: str, chart: str) -> str:
    """Return values.yaml with the registry set for each image of Maskgate; comments stay."""
    changed, count = re.subn(
        r'^( +registry: )""$(?=(?:\n +#.*)*\n +repository: maskgate/)',
        rf"\g<1>{registry}",
        values,
        flags=re.MULTILINE,
    )
    ours = _images(yaml.safe_load(changed))
    if not count or any(image["registry"] != registry for image in ours):
        raise ReleaseError(
            f"charts/{chart}/values.yaml: an image of maskgate/… has no line "
            '`registry: ""` above its `repository:`'
        )
    return changed


def _images(values: Any) -> list[dict[str, Any]]:
    """Return every image of Maskgate in a chart's values."""
    if not isinstance(values, dict):
        return []
    repository = values.get("repository")
    if isinstance(repository, str) and repository.startswith("maskgate/"):
        return [values]
    return [image for value in values.values() for image in _images(value)]


def main() -> None:
    """Write the packages to var/release/charts, and print their names."""
    parser = argparse.ArgumentParser(
        prog="python -m release.charts", description=package_charts.__doc__
    )
    parser.add_argument("registry", help="where the images are, such as ghcr.io/owner")
    try:
        print(*package_charts(parser.parse_args().registry, PACKAGES), sep="\n")
    except ReleaseError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
