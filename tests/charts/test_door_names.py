"""How a release of doors calls its objects, where it puts them, and how it labels them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from helm_python.config import Config
from helm_python.errors import HelmError

from tests.charts.api_double import ApiDouble
from tests.charts.rendering import (
    EDGE,
    NAMESPACE,
    ROOT,
    Manifest,
    loaded,
    named,
    objects_of,
    of_kind,
    rendered,
    texts,
)

CLOUD_AT: dict[str, Any] = {"cloud": {"url": "https://gate.example.org"}}
VALUES: dict[str, Any] = {**CLOUD_AT, "doors": {"main": {}}}
MONITORED = {"enabled": True, "rules": {"enabled": True}}
LONG = "production-berlin-headquarters"
"""As long as the name of a release may be is 53; with the chart's name this is 44."""


def _daemon_set(release: str, **values: Any) -> str:
    text = loaded(EDGE).render({**VALUES, **values}, name=release, namespace=NAMESPACE)
    (_, door) = yaml.safe_load_all(text["maskgate-edge/templates/doors.yaml"])
    name: str = door["metadata"]["name"]
    return name


def test_a_name_that_fits_is_left_as_it_is() -> None:
    assert _daemon_set("doors") == "doors-maskgate-edge-main"
    assert _daemon_set("maskgate-edge-of-berlin") == "maskgate-edge-of-berlin-main"
    just = "a" * 16
    assert _daemon_set(just) == f"{just}-maskgate-edge-main"


@pytest.mark.parametrize("name", ["1", "007", "1e3", "0x1f", "true", "on", "null", "2026-03-02"])
def test_a_name_that_yaml_reads_as_something_else_is_a_name(name: str) -> None:
    """Doors are called 1, 2 and 3; a label or a name that is a number is refused by Kubernetes."""
    door = {
        "nodeSelector": {"maskgate.io/door": name},
        "camera": {"kind": "network", "existingSecret": name, "urlKey": name},
        "enrolment": {"existingSecret": name, "key": name},
        "priorityClassName": name,
        "runtimeClassName": name,
    }
    values = {**CLOUD_AT, "doors": {name: door}, "imagePullSecrets": [name]}
    plain = loaded(EDGE).render(values, name=name, namespace=NAMESPACE)
    (claim, door_) = yaml.safe_load_all(plain["maskgate-edge/templates/doors.yaml"])
    assert claim["metadata"]["labels"]["app.kubernetes.io/instance"] == name
    template = door_["spec"]["template"]
    assert template["spec"]["nodeSelector"] == {"maskgate.io/door": name}
    assert template["spec"]["priorityClassName"] == name
    assert template["spec"]["runtimeClassName"] == name
    assert template["metadata"]["labels"]["maskgate.io/door"] == name
    assert template["spec"]["imagePullSecrets"] == [{"name": name}]
    sources = template["spec"]["volumes"][2]["projected"]["sources"]
    assert [each["secret"]["name"] for each in sources] == [name, name]
    assert [each["secret"]["items"][0]["key"] for each in sources] == [name, name]


def test_two_long_releases_that_begin_alike_stay_apart() -> None:
    north, south = _daemon_set(f"{LONG}-north"), _daemon_set(f"{LONG}-south")
    assert north != south
    assert north.startswith("production-berlin-hea-")
    assert len(north) == len("production-berlin-hea-12345678-main")
    assert _daemon_set(f"{LONG}-north") == north
    north = _daemon_set("a", fullnameOverride=f"{LONG}-north")
    assert north != _daemon_set("a", fullnameOverride=f"{LONG}-south")


def test_every_object_of_a_long_release_has_the_same_beginning() -> None:
    manifests = objects_of("maskgate-edge", "long-names")
    names = {each["metadata"]["name"] for each in manifests}
    (account,) = of_kind(manifests, "ServiceAccount")
    whole = account["metadata"]["name"]
    assert len(whole) == 30
    assert all(name.startswith(whole) for name in names)
    assert f"{whole}-entrance-of-the-north-wing-lobby" in names


@pytest.fixture
def api() -> Iterator[ApiDouble]:
    with ApiDouble() as double:
        yield double


@pytest.fixture
def helm(api: ApiDouble) -> Iterator[Config]:
    config = Config(kubeconfig_content=api.kubeconfig, namespace=NAMESPACE, storage_driver="memory")
    with config:
        yield config


def test_an_upgrade_renames_nothing_that_is_there(helm: Config, api: ApiDouble) -> None:
    """Its volume holds the door's key: under another name the door would have to enrol again."""
    before = {**VALUES, "fullnameOverride": f"{LONG}-north-maskgate-edge"[:30]}
    helm.install(EDGE, f"{LONG}-north", before, namespace=NAMESPACE, timeout=60)
    held = set(api.objects)
    assert ("daemonsets", f"{LONG}-main") in held
    helm.upgrade(EDGE, f"{LONG}-north", VALUES, timeout=60)
    assert set(api.objects) == held
    # Another release does not take these names for its own.
    helm.install(EDGE, f"{LONG}-south", VALUES, namespace=NAMESPACE, timeout=60)
    helm.upgrade(EDGE, f"{LONG}-south", VALUES, timeout=60)
    assert set(api.held("daemonsets")) == {f"{LONG}-main", _daemon_set(f"{LONG}-south")}


def test_the_removal_in_the_docs_removes_what_one_release_left(
    helm: Config, api: ApiDouble
) -> None:
    values = {**CLOUD_AT, "doors": {name: {"nodeSelector": {"at": name}} for name in ("a", "b")}}
    for release in ("doors", "others"):
        helm.install(EDGE, release, values, namespace=NAMESPACE, timeout=60)
    helm.uninstall("doors", timeout=60)
    text = (ROOT / "docs" / "kubernetes.md").read_text().partition("## Remove")[2]
    (said,) = re.findall(r"delete pvc -l (\S*=doors)\n", text)
    wanted = dict(pair.split("=") for pair in said.split(","))
    for name, claim in api.held("persistentvolumeclaims").items():
        if wanted.items() <= claim["metadata"]["labels"].items():
            del api.objects["persistentvolumeclaims", name]
    left = {name for _, name in api.objects}
    assert not {name for name in left if name.startswith("doors-")}
    assert {"others-maskgate-edge-a", "others-maskgate-edge-b"} <= left
    assert len(api.held("persistentvolumeclaims")) == 2


def test_a_namespace_of_its_own_is_that_of_every_object() -> None:
    values = {**VALUES, "namespaceOverride": "gates", "monitoring": MONITORED}
    manifests = rendered(EDGE, values)
    assert {each["metadata"]["namespace"] for each in manifests} == {"gates"}
    (rule,) = of_kind(manifests, "PrometheusRule")
    assert 'namespace="gates"' in str(rule)
    assert NAMESPACE not in str(rule)
    notes = texts(EDGE, values)["maskgate-edge/templates/NOTES.txt"]
    assert "kubectl -n gates" in notes
    assert f"-n {NAMESPACE}" not in notes


def _labels(manifest: Manifest) -> dict[str, str]:
    labels: dict[str, str] = manifest["metadata"]["labels"]
    return labels


def test_common_labels_are_on_every_object_and_pod_and_on_no_selector() -> None:
    manifests = objects_of("maskgate-edge", "per-door")
    assert {"PodMonitor", "PrometheusRule"} <= {each["kind"] for each in manifests}
    for manifest in manifests:
        # A PodMonitor has labels of its own, by which Prometheus finds it.
        team = "watch" if manifest["kind"] == "PodMonitor" else "access"
        assert _labels(manifest)["team"] == team
        assert manifest["metadata"]["annotations"]["example.org/owner"] == "access@example.org"
    for door in of_kind(manifests, "DaemonSet"):
        assert _labels(door["spec"]["template"])["team"] == "access"
        assert set(door["spec"]["selector"]["matchLabels"]) == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }
    claim = named(manifests, "PersistentVolumeClaim", "plain")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_whole_of_which_doors_are_a_part_may_be_named() -> None:
    label = "app.kubernetes.io/part-of"
    for manifest in rendered(EDGE, {**VALUES, "commonLabels": {label: "access"}}):
        assert _labels(manifest)[label] == "access"


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "commonLabels"),
        ({"podLabels": {"app.kubernetes.io/instance": "x"}}, "doors.main: podLabels"),
        (
            {"doors": {"main": {"podLabels": {"maskgate.io/door": "x"}}}},
            "doors.main: podLabels",
        ),
    ],
)
def test_a_label_that_the_chart_sets_is_refused(values: dict[str, Any], place: str) -> None:
    with pytest.raises(HelmError, match=f"{place} has .*, which the chart sets itself"):
        rendered(EDGE, {**VALUES, **values})
