"""A release's life by Helm 4: installed, upgraded, rolled back, removed, and installed again."""

import copy
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from helm_python.config import Config
from helm_python.errors import HelmError

from tests.charts.api_double import ApiDouble
from tests.charts.rendering import CLOUD, EDGE, NAMESPACE, RELEASE, ROOT, named, rendered

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


LONG = "entrance-of-the-central-administration-building"
CUT = f"{LONG}-north-maskgate"[:40].rstrip("-")


def test_a_release_keeps_the_names_that_an_earlier_chart_cut(helm: Config, api: ApiDouble) -> None:
    release = f"{LONG}-north"
    helm.install(CLOUD, release, {"fullnameOverride": CUT}, namespace=NAMESPACE, timeout=60)
    before = set(api.objects)
    assert ("statefulsets", f"{CUT}-redis") in before
    helm.upgrade(CLOUD, release, {}, timeout=60)
    assert set(api.objects) == before, "nothing has another name"
    helm.install(CLOUD, f"{LONG}-south", {}, namespace=NAMESPACE, timeout=60)
    assert len(api.held("statefulsets")) == 2, "a neighbour that begins alike has names of its own"


def _claimed(api: ApiDouble) -> None:
    """Make the volumes that a StatefulSet's controller makes."""
    for name, each in api.held("statefulsets").items():
        for template in each["spec"]["volumeClaimTemplates"]:
            claim = copy.deepcopy(template)
            claim["metadata"]["name"] = f"{template['metadata']['name']}-{name}-0"
            claim["metadata"]["labels"] |= each["spec"]["selector"]["matchLabels"]
            api.objects["persistentvolumeclaims", claim["metadata"]["name"]] = claim


def _documented(heading: str) -> list[str]:
    """Return the commands of a section of docs/kubernetes.md."""
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    section = text.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def test_what_the_docs_say_removes_all_of_one_release_and_nothing_of_another(
    helm: Config, api: ApiDouble
) -> None:
    values = {"backup": {"enabled": True}, "gates": {"main": "Main entrance"}}
    for release in ("maskgate", "second"):
        helm.install(CLOUD, release, values, namespace=NAMESPACE, timeout=60)
        rehearsal = named(rendered(CLOUD, values, name=release), "Pod", "rehearsal")
        api.objects["pods", rehearsal["metadata"]["name"]] = rehearsal
        failed = named(rendered(CLOUD, values, name=release), "Job", "setup")
        api.objects["jobs", failed["metadata"]["name"]] = failed
    _claimed(api)
    other = {key for key in api.objects if "second" in key[1]}
    by_hand = ("secrets", "maskgate-telegram")
    api.objects[by_hand] = {"metadata": {"name": by_hand[1]}}

    uninstall, delete = _documented("## Remove")[:2]
    assert uninstall == "helm uninstall maskgate -n maskgate"
    helm.uninstall("maskgate", timeout=60)
    kinds, selector = re.fullmatch(r"kubectl -n maskgate delete (\S+) -l (\S+)", delete).groups()  # type: ignore[union-attr]
    plurals = {{"pvc": "persistentvolumeclaims"}.get(kind, f"{kind}s") for kind in kinds.split(",")}
    label, _, value = selector.partition("=")
    left = {key for key in api.objects if key not in other}
    assert ("persistentvolumeclaims", "data-maskgate-redis-0") in left
    for key in [*api.objects]:
        labels = api.objects[key]["metadata"].get("labels", {})
        if key[0] in plurals and labels.get(label) == value:
            del api.objects[key]
    assert set(api.objects) == {*other, by_hand}


def test_a_larger_volume_is_asked_for_as_the_docs_say(helm: Config, api: ApiDouble) -> None:
    helm.install(CLOUD, "maskgate", {}, namespace=NAMESPACE, timeout=60)
    _claimed(api)
    larger = {"redis": {"bundled": {"persistence": {"size": "16Gi"}}}}
    patch, delete, upgrade = _documented("### A larger volume for Redis")
    with pytest.raises(HelmError) as refused:
        helm.upgrade(CLOUD, "maskgate", larger, timeout=60)
    said = str(refused.value)
    for command in (patch, delete):
        assert command.replace("-n maskgate", f"-n {NAMESPACE}") in said
    assert "8Gi" in said

    patched = json.loads(shlex.split(patch)[-1])
    claim = api.objects["persistentvolumeclaims", shlex.split(patch)[5]]
    claim["spec"]["resources"] |= patched["spec"]["resources"]
    assert shlex.split(delete)[3:] == [
        "delete",
        "statefulset",
        "maskgate-redis",
        "--cascade=orphan",
    ]
    del api.objects["statefulsets", "maskgate-redis"]
    assert upgrade.startswith("helm upgrade maskgate charts/maskgate -n maskgate -f maskgate.yaml")
    helm.upgrade(CLOUD, "maskgate", larger, timeout=60)
    (template,) = api.held("statefulsets")["maskgate-redis"]["spec"]["volumeClaimTemplates"]
    assert template["spec"] | {"accessModes": None} == claim["spec"] | {"accessModes": None}
    helm.upgrade(CLOUD, "maskgate", larger, timeout=60)


@pytest.mark.parametrize(
    ("persistence", "words"),
    [
        ({"storageClass": "fast"}, ["storageClass is fast", "the default class"]),
        ({"existingClaim": "mine"}, ["Kubernetes does not change", "backup"]),
        ({"enabled": False}, ["Kubernetes does not change", "backup"]),
        ({"size": "4Gi"}, ["set it to 8Gi"]),
    ],
)
def test_what_kubernetes_never_changes_of_redis_is_refused_before_it_does(
    helm: Config, persistence: dict[str, Any], words: list[str]
) -> None:
    _install(helm)
    with pytest.raises(HelmError) as refused:
        helm.upgrade(CLOUD, RELEASE, {"redis": {"bundled": {"persistence": persistence}}})
    for word in words:
        assert word in str(refused.value)
    same = {"redis": {"bundled": {"persistence": {"size": "8192Mi"}}}}
    helm.upgrade(CLOUD, RELEASE, same, timeout=60)
