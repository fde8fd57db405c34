"""Names, namespace, labels and annotations of the cloud's objects."""

import re
from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.rendering import CLOUD, Manifest, named, objects_of, of_kind, pods, rendered

LONG = "entrance-of-the-central-administration-building"
ALL_ON: dict[str, Any] = {
    "telegram": {"existingSecret": "t", "webhookSecretKey": "w"},
    "settings": {"CLOUD_PUBLIC_URL": "https://gate.example.org", "CLOUD_SMTP_HOST": "mail"},
    "gates": {"main": "Main entrance"},
    "api": {"autoscaling": {"enabled": True}},
    "worker": {"autoscaling": {"kind": "keda"}},
    "bot": {"service": {"ipFamilyPolicy": "PreferDualStack"}},
    "dashboard": {"login": {"kind": "basic", "existingSecret": "people"}},
    "ingress": {
        "enabled": True,
        "api": {"host": "gate.example.org"},
        "dashboard": {"host": "desk.example.org"},
    },
    "networkPolicy": {"ingressNamespaces": ["ingress-nginx"]},
    "backup": {"enabled": True},
    "purge": {"enabled": True},
    "monitoring": {"enabled": True, "rules": {"enabled": True}, "grafana": {"enabled": True}},
}


def _prefix(values: dict[str, Any], release: str) -> str:
    name: str = named(rendered(CLOUD, values, name=release), "ConfigMap", "settings")["metadata"][
        "name"
    ]
    return name.removesuffix("-settings")


@pytest.mark.parametrize(
    ("values", "release", "prefix"),
    [
        ({}, "mg", "mg-maskgate"),
        ({}, "maskgate", "maskgate"),
        ({}, "a" * 31, "a" * 31 + "-maskgate"),
        ({"nameOverride": "doors"}, "mg", "mg-doors"),
        ({"fullnameOverride": "f" * 40}, "mg", "f" * 40),
    ],
)
def test_a_name_that_fits_is_as_it_always_was(
    values: dict[str, Any], release: str, prefix: str
) -> None:
    assert _prefix(values, release) == prefix


def test_two_releases_that_begin_alike_share_no_name() -> None:
    north, south = f"{LONG}-north", f"{LONG}-south"
    seen: dict[tuple[str, str], str] = {}
    for release in (north, south):
        prefix = _prefix({}, release)
        assert re.fullmatch(f"{LONG[:31].rstrip('-')}-[0-9a-f]{{8}}", prefix)
        assert len(prefix) <= 40
        for each in rendered(CLOUD, ALL_ON, name=release):
            key = (each["kind"], each["metadata"]["name"])
            assert seen.setdefault(key, release) == release, key
    assert _prefix({"fullnameOverride": f"{LONG}-north"}, "a") != _prefix(
        {"fullnameOverride": f"{LONG}-south"}, "b"
    )


def test_the_names_that_a_cut_gave_before_are_a_value_away() -> None:
    cut = f"{LONG}-north-maskgate"[:40].rstrip("-")
    assert _prefix({"fullnameOverride": cut}, f"{LONG}-north") == cut


def test_no_name_is_longer_than_kubernetes_takes() -> None:
    for each in rendered(CLOUD, ALL_ON, name="r" * 53):
        limit = {"CronJob": 52, "Service": 63, "StatefulSet": 52}.get(each["kind"], 63)
        assert len(each["metadata"]["name"]) <= limit, each["metadata"]["name"]


def test_every_object_is_in_the_namespace_that_is_said() -> None:
    values = {**ALL_ON, "namespaceOverride": "entrances"}
    manifests = rendered(CLOUD, values)
    assert {each["metadata"].get("namespace") for each in manifests} == {"entrances"}
    scaled = named(manifests, "ScaledObject", "worker")["spec"]["triggers"][0]
    assert scaled["metadata"]["address"] == "mg-maskgate-redis.entrances.svc:6379"
    assert all("namespace" not in each["metadata"] for each in rendered(CLOUD, ALL_ON))


def _claims(manifests: list[Manifest]) -> list[Manifest]:
    return [
        claim
        for each in of_kind(manifests, "StatefulSet")
        for claim in each["spec"]["volumeClaimTemplates"]
    ]


def test_common_labels_and_annotations_are_on_all_objects_and_in_no_selector() -> None:
    told = {
        "commonLabels": {"example.org/cost-centre": "4711", "app.kubernetes.io/part-of": "doors"},
        "commonAnnotations": {"example.org/owner": "facilities"},
    }
    manifests = rendered(CLOUD, {**ALL_ON, **told})
    for each in manifests:
        labels = each["metadata"]["labels"]
        assert told["commonLabels"].items() <= labels.items(), each["metadata"]["name"]
        assert each["metadata"]["annotations"]["example.org/owner"] == "facilities"
    for name, pod in pods(manifests):
        assert pod["metadata"]["labels"]["example.org/cost-centre"] == "4711", name
        made_by_another = not name.startswith("Pod/")
        if made_by_another:
            assert "example.org/owner" not in pod["metadata"].get("annotations", {}), name
    for each in of_kind(manifests, "Deployment") + of_kind(manifests, "StatefulSet"):
        assert not told["commonLabels"].items() & each["spec"]["selector"]["matchLabels"].items()
    # Kubernetes takes no change of these: a label that comes later would stop an upgrade.
    assert _claims(manifests) == _claims(rendered(CLOUD, ALL_ON))
    kept = named(manifests, "Secret", "redis")["metadata"]["annotations"]
    assert kept["helm.sh/resource-policy"] == "keep"


def test_pods_have_the_labels_of_all_and_their_own() -> None:
    manifests = objects_of("maskgate", "company")
    for name, pod in pods(manifests):
        labels = pod["metadata"]["labels"]
        assert labels["example.org/mesh"] == "off", name
        assert labels["app.kubernetes.io/part-of"] == "buildings", name
        of_the_worker = labels["app.kubernetes.io/component"] == "worker"
        assert ("example.org/egress" in labels) == of_the_worker, name
    services = of_kind(manifests, "Service")
    assert not any("example.org/mesh" in each["metadata"]["labels"] for each in services)


@pytest.mark.parametrize("path", ["commonLabels", "podLabels", "worker.podLabels"])
def test_a_label_of_the_charts_own_cannot_be_changed(path: str) -> None:
    for label in ("app.kubernetes.io/instance", "app.kubernetes.io/managed-by"):
        values: dict[str, Any] = {label: "other"}
        for word in reversed(path.split(".")):
            values = {word: values}
        with pytest.raises(HelmError, match=f"{path}: {label} is the chart's own label"):
            rendered(CLOUD, values)
