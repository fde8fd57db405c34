"""Entrances read passes and open locks, and share one hub."""

import pytest
from helm_python.errors import HelmError

from tests.charts.network import Network
from tests.charts.rendering import (
    EDGE,
    Manifest,
    containers,
    environment,
    named,
    objects_of,
    pods,
    rendered,
)

NEEDED = {"existingSecret": "north", "nodeSelector": {"at": "north"}}


def _pod(kind: str, name: str) -> Manifest:
    spec: Manifest = named(objects_of("maskgate-edge", "entrances"), kind, name)["spec"]
    template: Manifest = spec["template"]["spec"]
    return template


def test_by_default_there_is_none() -> None:
    names = [name for name, _ in pods(objects_of("maskgate-edge", "default"))]
    assert names == ["DaemonSet/mg-maskgate-edge-main"]


def test_an_entrance_reads_its_keys_as_files_and_lives_by_its_heartbeat() -> None:
    spec = _pod("DaemonSet", "entrance-north")
    (container,) = containers({"spec": spec})
    assert container["args"] == ["door"]
    variables = environment(container)
    assert variables["EDGE_SECRETS_DIR"] == "/run/secrets"
    assert variables["EDGE_DOOR_OFFLINE"] == "signed"
    assert "EDGE_DOOR_KEY" not in variables
    alive = ["python", "/app/probe.py", variables["EDGE_HEARTBEAT_FILE"]]
    assert container["livenessProbe"]["exec"]["command"] == alive
    assert container["resources"]["limits"]["smarter-devices/video2"] == 1
    assert spec["securityContext"]["supplementalGroups"] == [44]


def test_entrances_alone_reach_the_hub() -> None:
    network = Network(objects_of("maskgate-edge", "entrances"))
    hub = network.component("hub")
    for name in ("entrance-north", "entrance-south"):
        assert network.reaches(network.component(name), hub, 8765)
    assert not network.reaches(network.component("door-main"), hub, 8765)


@pytest.mark.parametrize("name", NEEDED)
def test_an_entrance_needs_its_secret_and_its_node(name: str) -> None:
    entrance = {key: value for key, value in NEEDED.items() if key != name}
    with pytest.raises(HelmError, match=name):
        rendered(EDGE, {"cloud": {"url": "https://x.org"}, "entrances": {"north": entrance}})


def test_a_site_may_have_entrances_and_no_camera_that_judges() -> None:
    values = {"cloud": {"url": "https://x.org"}, "entrances": {"north": NEEDED}}
    (name,) = [name for name, _ in pods(rendered(EDGE, values))]
    assert name == "DaemonSet/mg-maskgate-edge-entrance-north"
