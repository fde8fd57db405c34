"""A release's life by Helm 4: installed, upgraded, rolled back, removed, and installed again."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from helm_python.config import Config

from tests.charts.api_double import ApiDouble
from tests.charts.rendering import CLOUD, EDGE, NAMESPACE, RELEASE

SECRETS = ("mg-maskgate-redis", "mg-maskgate-dashboard")


@pytest.fixture
def api() -> Iterator[ApiDouble]:
    with ApiDouble() as double:
        yield double
        assert double.unheard == []


@pytest.fixture
def helm(api: ApiDouble) -> Iterator[Config]:
    config = Config(kubeconfig_content=api.kubeconfig, namespace=NAMESPACE, storage_driver="memory")
    with config:
        yield config


def _install(helm: Config, values: dict[str, Any] | None = None) -> dict[str, Any]:
    told: dict[str, Any] = helm.install(
        CLOUD, RELEASE, values or {}, namespace=NAMESPACE, timeout=60
    )
    return told


def _secrets(api: ApiDouble) -> dict[str, Any]:
    return {name: copy.deepcopy(api.held("secrets")[name]["data"]) for name in SECRETS}


def _spec(api: ApiDouble, plural: str, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = copy.deepcopy(api.held(plural)[f"mg-maskgate-{name}"]["spec"])
    return spec


def test_an_installation_says_what_to_do_next(helm: Config) -> None:
    notes = _install(helm)["notes"]
    for words in (
        "helm -n doors test mg --logs",
        "python -m cloud enrolment-codes create main",
        "redis.bundled.existingSecret",
        "No backups",
    ):
        assert words in notes


def test_secrets_that_were_made_stay_as_they_are(helm: Config, api: ApiDouble) -> None:
    _install(helm)
    made = _secrets(api)
    redis, api_pods = _spec(api, "statefulsets", "redis"), _spec(api, "deployments", "api")

    helm.upgrade(CLOUD, RELEASE, {"settings": {"CLOUD_PASS_LIFETIME_S": 60}}, timeout=60)
    assert _secrets(api) == made
    assert api.held("configmaps")["mg-maskgate-settings"]["data"]["CLOUD_PASS_LIFETIME_S"] == "60"
    assert _spec(api, "statefulsets", "redis") == redis, "Redis would be restarted for nothing"
    assert _spec(api, "deployments", "api") != api_pods, "the API would not read the new setting"

    helm.rollback(RELEASE, version=1, timeout=60)
    assert _secrets(api) == made
    assert _spec(api, "deployments", "api") == api_pods

    helm.uninstall(RELEASE, timeout=60)
    assert _secrets(api) == made, "the volume outlives the release, and needs its password"
    assert set(api.objects) == {("secrets", name) for name in SECRETS}

    _install(helm)
    assert _secrets(api) == made


def test_what_a_door_keeps_stays_when_its_release_goes(helm: Config, api: ApiDouble) -> None:
    values = {"cloud": {"url": "https://gate.example.org"}, "doors": {"main": {}}}
    helm.install(EDGE, "doors", values, namespace=NAMESPACE, timeout=60)
    assert set(api.held("daemonsets")) == {"doors-maskgate-edge-main"}
    helm.uninstall("doors", timeout=60)
    assert set(api.objects) == {("persistentvolumeclaims", "doors-maskgate-edge-main")}


def test_the_setup_job_is_gone_when_it_is_done(helm: Config, api: ApiDouble) -> None:
    _install(helm, {"gates": {"main": "Main entrance"}})
    assert api.held("jobs") == {}
