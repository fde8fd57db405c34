"""The packages of both charts run what a release publishes; all else is as in the repository."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.chart import Chart

from release.charts import package_charts
from release.version import project_version
from tests.charts.rendering import CLOUD, EDGE, NAMESPACE, RELEASE, Scenario, texts

REGISTRY = "registry.example.org/Owner"
PUBLISHED = "registry.example.org/owner/maskgate"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chart]:
    made = package_charts(REGISTRY, tmp_path_factory.mktemp("packages") / "charts")
    return {chart.name: chart for chart in map(Chart.load, made)}


def test_a_package_has_the_version_of_the_project(packages: dict[str, Chart]) -> None:
    assert {name: chart.version for name, chart in packages.items()} == dict.fromkeys(
        ("maskgate", "maskgate-edge"), project_version()
    )


@pytest.mark.parametrize(
    ("source", "values", "names"),
    [
        (CLOUD, {}, ("cloud", "dashboard")),
        (EDGE, Scenario(EDGE, "trying-out").values, ("edge",)),
    ],
    ids=["cloud", "edge"],
)
def test_without_a_value_a_package_runs_the_published_images(
    packages: dict[str, Chart], source: Path, values: dict[str, Any], names: tuple[str, ...]
) -> None:
    given = packages[source.name].render(dict(values), name=RELEASE, namespace=NAMESPACE)
    version = project_version()
    images = _of(given)
    ours = {image for image in images if "maskgate" in image}
    assert ours == {f"{PUBLISHED}/{name}:{version}" for name in names}
    assert all(image.startswith("redis:") for image in images - ours)


@pytest.mark.parametrize(
    ("source", "values"),
    [(CLOUD, {}), (EDGE, Scenario(EDGE, "trying-out").values)],
    ids=["cloud", "edge"],
)
def test_a_registry_of_all_images_goes_before_the_published_one(
    packages: dict[str, Chart], source: Path, values: dict[str, Any]
) -> None:
    own = {**values, "global": {"imageRegistry": "registry.inside.example.org"}}
    given = packages[source.name].render(own, name=RELEASE, namespace=NAMESPACE)
    assert all(image.startswith("registry.inside.example.org/") for image in _of(given))


@pytest.mark.parametrize(
    ("source", "example"),
    [(CLOUD, "air-gapped"), (EDGE, "prepared-host")],
    ids=["cloud", "edge"],
)
def test_a_registry_of_ones_own_goes_before(
    packages: dict[str, Chart], source: Path, example: str
) -> None:
    values = Scenario(source, example).values
    given = packages[source.name].render(dict(values), name=RELEASE, namespace=NAMESPACE)
    assert PUBLISHED not in "".join(given.values())
    assert _of(given) == _of(texts(source, values))


def _of(given: Mapping[str, str]) -> set[str]:
    """Return the images of all objects that a chart gives."""
    return {
        image
        for name, text in given.items()
        if name.endswith(".yaml")
        for manifest in yaml.safe_load_all(text)
        for image in _images(manifest)
    }


def _images(part: Any) -> Iterator[str]:
    """Yield the image of every container in an object, however deep it lies."""
    if isinstance(part, dict):
        if "name" in part and "image" in part:
            yield part["image"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _images(each)
