"""Values that cannot be meant are refused, with a sentence that names them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.errors import HelmError

from tests.charts.rendering import CLOUD, EDGE, Manifest, Scenario, named, of_kind, rendered

CLOUD_AT: dict[str, Any] = {"cloud": {"url": "https://gate.example.org"}}

REFUSED: list[tuple[Path, dict[str, Any], list[str]]] = [
    (CLOUD, {"wroker": {}}, ["wroker", "not allowed"]),
    (CLOUD, {"api": {"replica": 2}}, ["/api", "replica"]),
    (CLOUD, {"api": {"replicas": "two"}}, ["/api/replicas", "integer"]),
    (CLOUD, {"settings": {"CLOUD_PAS_LIFETIME_S": 60}}, ["/settings", "CLOUD_PAS_LIFETIME_S"]),
    (CLOUD, {"settings": {"CLOUD_PASS_LIFETIME_S": 5}}, ["CLOUD_PASS_LIFETIME_S", "minimum"]),
    (CLOUD, {"settings": {"CLOUD_SMTP_SECURITY": "ssl"}}, ["CLOUD_SMTP_SECURITY", "starttls"]),
    (CLOUD, {"settings": {"CLOUD_TELEGRAM_TOKEN": "1:x"}}, ["CLOUD_TELEGRAM_TOKEN"]),
    (CLOUD, {"settings": {"CLOUD_PORT": 80}}, ["CLOUD_PORT"]),
    (CLOUD, {"dashboard": {"settings": {"DASHBOARD_API_KEY": "mg_"}}}, ["DASHBOARD_API_KEY"]),
    (CLOUD, {"image": {"tag": "latest"}}, ["/image/tag"]),
    (CLOUD, {"image": {"digest": "sha256:1"}}, ["/image/digest"]),
    (CLOUD, {"redis": {"mode": "cluster"}}, ["/redis/mode", "bundled"]),
    (CLOUD, {"redis": {"mode": "external"}}, ["redis.external", "existingSecret"]),
    (
        CLOUD,
        {"redis": {"mode": "external", "external": {"url": "redis://:hush@redis:6379/0"}}},
        ["redis.external.url", "password", "redis.external.existingSecret"],
    ),
    (
        CLOUD,
        {"redis": {"mode": "external", "external": {"url": "redis.data:6379"}}},
        ["redis.external.url is no address of Redis", "rediss://"],
    ),
    (CLOUD, {"redis": {"external": {"queueUrl": "redis://q"}}}, ["queueUrl", "bundled"]),
    (CLOUD, {"gates": {"Main Gate": "x"}}, ["/gates", "Main Gate"]),
    (CLOUD, {"backup": {"timeZone": "Europe/Madrid!"}}, ["/backup/timeZone"]),
    (CLOUD, {"bindAddress": "localhost"}, ["/bindAddress"]),
    (CLOUD, {"api": {"service": {"ipFamilies": ["IPv5"]}}}, ["/api/service/ipFamilies", "IPv6"]),
    (CLOUD, {"networkPolicy": {"dnsPorts": []}}, ["/networkPolicy/dnsPorts"]),
    (CLOUD, {"ingress": {"api": {"hosts": [{"tlsSecret": "t"}]}}}, ["/ingress/api/hosts/0"]),
    (CLOUD, {"worker": {"autoscaling": {"kind": "cpu"}}}, ["/worker/autoscaling/kind", "keda"]),
    (
        CLOUD,
        {"worker": {"autoscaling": {"kind": "hpa", "minReplicas": 0}}},
        ["worker.autoscaling.minReplicas", "keda can go to 0"],
    ),
    (CLOUD, {"worker": {"terminationGracePeriodSeconds": 5}}, ["terminationGracePeriodSeconds"]),
    (
        CLOUD,
        {"worker": {"autoscaling": {"kind": "keda", "keda": {"trigger": "prometheus"}}}},
        ["prometheusAddress"],
    ),
    (
        CLOUD,
        {"telegram": {"existingSecret": "t", "webhookSecretKey": "w"}},
        ["CLOUD_PUBLIC_URL", "polling"],
    ),
    (CLOUD, {"telegram": {"webhookSecretKey": "w"}}, ["telegram.existingSecret"]),
    (CLOUD, {"bot": {"replicas": 3}}, ["/bot/replicas"]),
    (CLOUD, {"smtp": {"existingSecret": "s"}}, ["CLOUD_SMTP_HOST"]),
    (CLOUD, {"ingress": {"enabled": True}}, ["ingress.api.host"]),
    (CLOUD, {"gateway": {"enabled": True}}, ["parentRefs"]),
    (CLOUD, {"backup": {"schedule": "nightly"}}, ["/backup/schedule"]),
    (CLOUD, {"securityContext": {"runAsUser": 0}}, ["/securityContext/runAsUser", "minimum"]),
    (CLOUD, {"api": {"resources": {"limits": {"memory": None}}}}, ["/api/resources"]),
    (
        CLOUD,
        {"networkPolicy": {"clients": [{"ipblock": {}}]}},
        ["/networkPolicy/clients", "ipblock"],
    ),
    (EDGE, {}, ["cloud.url is not set"]),
    (EDGE, CLOUD_AT, ["doors is empty"]),
    (EDGE, {"cloud": {"url": "gate.example.org"}}, ["/cloud/url"]),
    (EDGE, {**CLOUD_AT, "doors": {"Front": {}}}, ["/doors", "Front"]),
    (EDGE, {**CLOUD_AT, "doors": {"a": {"camra": {}}}}, ["/doors/a", "camra"]),
    (
        EDGE,
        {**CLOUD_AT, "doors": {"a": {"settings": {"EDGE_MAJORITY": 0.4}}}},
        ["EDGE_MAJORITY", "0.5"],
    ),
    (EDGE, {**CLOUD_AT, "doors": {"a": {"camera": {"kind": "usb"}}}}, ["camera/kind", "network"]),
    (EDGE, {**CLOUD_AT, "doors": {"a": {"camera": {"kind": "network"}}}}, ["camera.url"]),
    (
        EDGE,
        {**CLOUD_AT, "camera": {"kind": "network", "url": "rtsp://me:hush@10.0.0.1/1"}},
        ["/camera/url"],
    ),
    (EDGE, {**CLOUD_AT, "doors": {"a": {}, "b": {}}}, ["doors.a and doors.b", "nodeSelector"]),
    (
        EDGE,
        {**CLOUD_AT, "doors": {"a": {"enrolment": {"nodes": ["x", "y"]}}}},
        ["share one volume", "hostPath"],
    ),
]


@pytest.mark.parametrize(
    ("chart", "values", "words"), REFUSED, ids=[json.dumps(each[1])[:60] for each in REFUSED]
)
def test_a_value_that_cannot_be_meant_is_named(
    chart: Path, values: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(chart, values)
    said = str(refused.value)
    for word in words:
        assert word in said, said
    assert "hush" not in said.replace("redis://:hush", "").replace("me:hush", "")


def test_a_door_may_be_named_with_nothing_of_its_own(scenario: Scenario) -> None:
    (door,) = of_kind(rendered(EDGE, {**CLOUD_AT, "doors": {"main": {}}}), "DaemonSet")
    assert door["metadata"]["name"].endswith("-main")


@pytest.mark.parametrize(
    ("most", "limit", "fits"),
    [
        ("700mb", "1Gi", True),
        ("700mb", "700Mi", False),
        ("700mb", "0.5Gi", False),
        ("700mb", "900Mi", True),
        ("1gb", "1G", False),
        ("1gb", "1.5Gi", True),
        ("800M", "1000M", True),
        ("800M", "999M", False),
        ("1048576kb", "1280Mi", True),
        ("1048576kb", "1279Mi", False),
        ("1073741824", "1342177280", True),
        ("1073741824", 1342177279, False),
        ("1g", 1.25e9, True),
        ("", "64Mi", True),
        ("0", "64Mi", True),
    ],
)
def test_a_container_has_room_for_redis_and_its_rewrite(most: str, limit: Any, fits: bool) -> None:
    resources = {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"memory": limit},
    }
    values = {"redis": {"bundled": {"maxMemory": most, "resources": resources}}}
    if fits:
        assert rendered(CLOUD, values)
        return
    with pytest.raises(HelmError) as refused:
        rendered(CLOUD, values)
    said = str(refused.value)
    assert "redis.bundled.resources.limits.memory" in said
    assert "redis.bundled.maxMemory" in said
    (least,) = re.findall("Give at least ([0-9]+Mi)", said)
    resources["limits"] = {"memory": least}
    assert rendered(CLOUD, values), "what is asked for is enough"


def _emptied(values: Any) -> Any:
    """Return the empty lists and maps of values as they read when comments alone follow."""
    if isinstance(values, dict) and values:
        below = {name: _emptied(value) for name, value in values.items()}
        return {name: value for name, value in below.items() if value != {}}
    return None if values in ([], {}) else {}


def _but_secrets(manifests: list[Manifest]) -> list[Manifest]:
    return [each for each in manifests if each["kind"] != "Secret"]


def test_an_empty_list_or_map_may_be_left_blank() -> None:
    defaults = yaml.safe_load((CLOUD / "values.yaml").read_text())
    blank = _emptied(defaults)
    assert blank["extraEnv"] is None
    assert blank["networkPolicy"]["clients"] is None
    assert _but_secrets(rendered(CLOUD, blank)) == _but_secrets(rendered(CLOUD, {}))
    for parent in ("global", "dashboard.login"):
        values: dict[str, Any] = {}
        place = values
        *above, last = parent.split(".")
        for name in above:
            place = place.setdefault(name, {})
        place[last] = None
        assert _but_secrets(rendered(CLOUD, values)) == _but_secrets(rendered(CLOUD, {}))


def test_what_earlier_charts_said_by_default_counts_as_nothing_said() -> None:
    external = {"redis": {"mode": "external", "external": {"url": "rediss://redis.data:16380"}}}
    before = {"networkPolicy": {"redisPorts": [6379, 6380, 26379], "mailPort": 587}}
    policy = named(rendered(CLOUD, {**external, **before}), "NetworkPolicy", "cloud-to-redis")
    assert policy["spec"]["egress"] == [{"ports": [{"port": 16380, "protocol": "TCP"}]}]
