import functools
from typing import Any

import jsonschema
import pytest
from kubernetes_validate import utils as kubernetes
from referencing import Registry, Resource

from tests.charts.rendering import Manifest, Scenario, objects

VERSIONS = ["1.28.0", "1.33.0", "1.37.0"]
"""An old one that clusters still run, one between, the newest."""

CUSTOM = {
    "gateway.networking.k8s.io/v1": {"HTTPRoute"},
    "keda.sh/v1alpha1": {"ScaledObject", "TriggerAuthentication"},
    "monitoring.coreos.com/v1": {"PodMonitor", "PrometheusRule", "ServiceMonitor"},
}
"""Kinds that are not of Kubernetes itself; test_objects.py and test_alerts.py look at them."""


@functools.cache
def _definitions(version: str) -> Registry[Any]:
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    contents = kubernetes.schema_contents(f"{folder}/_definitions.json", version)
    return Resource.from_contents(contents) @ Registry()


@functools.cache
def _validator(version: str, kind: str, api_version: str) -> Any:
    group, _, last = api_version.rpartition("/")
    file = f"{kind.lower()}-{group.split('.')[0] + '-' if group else ''}{last}.json"
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    contents = kubernetes.schema_contents(f"{folder}/{file}", version)
    registry = Resource.from_contents(contents) @ _definitions(version)
    return jsonschema.Draft202012Validator(contents, registry=registry)


def _faults(version: str, manifest: Manifest) -> list[str]:
    validator = _validator(version, manifest["kind"], manifest["apiVersion"])
    return [
        f"{'.'.join(str(part) for part in fault.path)}: {fault.message}"
        for fault in validator.iter_errors(manifest)
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_kubernetes_takes(scenario: Scenario, version: str) -> None:
    for manifest in objects(scenario):
        if manifest["kind"] in CUSTOM.get(manifest["apiVersion"], ()):
            continue
        assert _faults(version, manifest) == [], manifest["metadata"]["name"]


def test_an_object_with_a_wrong_field_is_found_out() -> None:
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"on": 1}}
    (fault,) = _faults(VERSIONS[0], manifest)
    assert "'on' was unexpected" in fault
