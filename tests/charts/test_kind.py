"""What tests/deploy/kind.sh installs and asks for is what the charts give."""

import re

import yaml
from helm_python.chart import Chart

from tests.charts.rendering import CLOUD, EDGE, ROOT, Manifest

NAMESPACE = "maskgate-test"
SCRIPT = (ROOT / "tests" / "deploy" / "kind.sh").read_text()
CLOUD_VALUES = {
    "gates": {"main": "Main entrance"},
    "api": {"replicas": 1},
    "worker": {"replicas": 1},
}
KINDS = {"deploy": "Deployment", "ds": "DaemonSet"}


def _installed() -> list[Manifest]:
    door = yaml.safe_load((ROOT / "tests" / "deploy" / "kind-door.yaml").read_text())
    given = {
        **Chart.load(CLOUD).render(CLOUD_VALUES, name="maskgate", namespace=NAMESPACE),
        **Chart.load(EDGE).render(door, name="doors", namespace=NAMESPACE),
    }
    return [
        manifest
        for name, text in given.items()
        if name.endswith(".yaml")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


def test_what_the_script_talks_to_is_installed() -> None:
    asked = set(re.findall(r"exec (deploy|ds)/([a-z-]+)", SCRIPT))
    there = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in _installed()}
    assert {kind for kind, _ in asked} == set(KINDS)
    assert {(KINDS[kind], name) for kind, name in asked} <= there


def test_every_image_that_is_installed_is_loaded_into_the_cluster() -> None:
    images = set(re.findall(r"image: \"?([\w./-]+):", yaml.safe_dump_all(_installed())))
    loaded = set(re.findall(r'"(maskgate/[a-z]+):\$version"', SCRIPT)) | {"redis"}
    assert images == loaded
