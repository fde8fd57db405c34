"""What people add to the cloud's pods: variables, volumes, images from elsewhere, addresses."""

from typing import Any

import pytest
from helm_python.errors import HelmError

from cloud import addresses
from release.version import project_version
from tests.charts.network import Network, outside
from tests.charts.network import pod as pod_of
from tests.charts.rendering import (
    CLOUD,
    Manifest,
    Scenario,
    containers,
    environment,
    named,
    notes,
    objects_of,
    of_kind,
    pods,
    rendered,
)

CLOUDS = {"api", "worker", "bot", "setup", "backup", "purge", "rehearsal"}
SECRET = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
VOLUME = {"name": "ca", "configMap": {"name": "ca"}}
MOUNT = {"name": "ca", "mountPath": "/etc/ssl/company"}
ADDED: dict[str, Any] = {
    "extraEnv": [SECRET],
    "extraEnvFrom": [{"secretRef": {"name": "all"}}],
    "extraVolumes": [VOLUME],
    "extraVolumeMounts": [MOUNT],
}
EVERYTHING: dict[str, Any] = {
    "telegram": {"existingSecret": "t"},
    "backup": {"enabled": True},
    "purge": {"enabled": True},
    "gates": {"main": "Main entrance", "back": "Back door"},
}


def _by_component(manifests: Any) -> dict[str, Manifest]:
    return {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for _, pod in pods(manifests)
    }


def _has_all(pod: Manifest) -> bool:
    every = [
        SECRET in container.get("env", [])
        and ADDED["extraEnvFrom"][0] in container.get("envFrom", [])
        and MOUNT in container["volumeMounts"]
        for container in containers(pod)
    ]
    has = {*every, VOLUME in pod["spec"]["volumes"]}
    assert len(has) == 1, pod["metadata"]["labels"]
    return has.pop()


def test_what_is_added_for_all_is_in_every_pod_of_the_cloud() -> None:
    found = _by_component(rendered(CLOUD, {**EVERYTHING, **ADDED}))
    assert {name for name, pod in found.items() if _has_all(pod)} == CLOUDS


@pytest.mark.parametrize("name", ["api", "worker", "bot", "dashboard", "redis", "backup", "purge"])
def test_what_is_added_for_one_is_in_its_pods_alone(name: str) -> None:
    own: dict[str, Any] = {"redis": {"bundled": ADDED}} if name == "redis" else {name: ADDED}
    own = {key: {**EVERYTHING.get(key, {}), **value} for key, value in own.items()}
    found = _by_component(rendered(CLOUD, {**EVERYTHING, **own}))
    assert {each for each, pod in found.items() if _has_all(pod)} == {name}


def test_of_two_variables_with_one_name_the_nearer_counts() -> None:
    values = {
        "extraEnv": [
            {"name": "OTEL_SERVICE_NAME", "value": "doors"},
            {"name": "CLOUD_METRICS_PORT", "value": "9100"},
        ],
        "worker": {"extraEnv": [{"name": "OTEL_SERVICE_NAME", "value": "workers"}]},
    }
    manifests = rendered(CLOUD, values)
    for name, said in (("worker", "workers"), ("api", "doors")):
        (container,) = named(manifests, "Deployment", name)["spec"]["template"]["spec"][
            "containers"
        ]
        names = [each["name"] for each in container["env"]]
        assert len(names) == len(set(names))
        assert environment(container)["OTEL_SERVICE_NAME"] == said


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"extraEnv": [{"name": "A"}]}, ["/extraEnv/0"]),
        ({"extraEnv": [{"name": "A", "value": "b", "valueFrom": {}}]}, ["/extraEnv/0"]),
        ({"extraEnv": [{"name": "A", "value": 1}]}, ["/extraEnv/0/value", "string"]),
        ({"extraEnvFrom": [{"secret": "x"}]}, ["/extraEnvFrom/0", "secret"]),
        ({"extraVolumes": [{"name": "secrets", "emptyDir": {}}]}, ["extraVolumes: secrets"]),
        ({"redis": {"bundled": {"extraVolumes": [{"name": "data", "emptyDir": {}}]}}}, ["data"]),
    ],
)
def test_an_addition_that_cannot_be_meant_is_named(
    values: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(CLOUD, values)
    for word in words:
        assert word in str(refused.value)


def test_every_image_comes_from_the_registry_that_is_said_for_all() -> None:
    manifests = objects_of("maskgate", "private-registry")
    images = set()
    for name, pod in pods(manifests):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "inside"}, {"name": "doors"}], name
        images |= {container["image"] for container in containers(pod)}
    at = "registry.inside.example.org/mirror"
    assert images == {
        f"{at}/maskgate/cloud:{project_version()}",
        f"{at}/maskgate/dashboard:{project_version()}",
        f"{at}/oauth2-proxy/oauth2-proxy:v7.15.3",
        f"{at}/redis:7-bookworm",
    }


def test_without_one_each_image_has_its_own_registry() -> None:
    manifests = objects_of("maskgate", "air-gapped")
    redis = named(manifests, "StatefulSet", "redis")["spec"]["template"]["spec"]["containers"][0]
    assert redis["image"] == "registry.inside.example.org/base/redis:7-bookworm"
    api = named(manifests, "Deployment", "api")["spec"]["template"]["spec"]["containers"][0]
    assert api["image"].startswith("registry.inside.example.org/doors/maskgate/cloud@sha256:")


def test_pods_of_ipv6_listen_at_its_addresses() -> None:
    manifests = objects_of("maskgate", "ipv6")
    for name in ("api", "worker", "bot"):
        (container,) = named(manifests, "Deployment", name)["spec"]["template"]["spec"][
            "containers"
        ]
        assert environment(container)["CLOUD_HOST"] == "::"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            (how,) = {"httpGet", "tcpSocket"} & set(container[probe])
            assert "host" not in container[probe][how], "the kubelet asks at the pod's address"
    (page,) = named(manifests, "Deployment", "dashboard")["spec"]["template"]["spec"]["containers"]
    assert environment(page)["STREAMLIT_SERVER_ADDRESS"] == "::"
    assert "0.0.0.0" not in str([each["spec"] for each in of_kind(manifests, "Deployment")])
    config = named(manifests, "ConfigMap", "redis")["data"]["redis.conf"]
    assert config.splitlines()[0] == "bind * -::*", "all addresses of both families"
    for service in of_kind(manifests, "Service"):
        assert service["spec"]["ipFamilies"] == ["IPv6"]
        assert service["spec"]["ipFamilyPolicy"] == "SingleStack"


def test_a_cronjobs_time_zone_is_said_or_left_to_the_cluster() -> None:
    manifests = objects_of("maskgate", "company")
    backup = named(manifests, "CronJob", "backup")["spec"]
    assert backup["timeZone"] == "Europe/Madrid"
    assert backup["successfulJobsHistoryLimit"] == 1
    assert backup["jobTemplate"]["spec"]["template"]["spec"]["nodeSelector"] == {
        "example.org/disk": "large"
    }
    purge = named(manifests, "CronJob", "purge")["spec"]
    assert "timeZone" not in purge
    assert (purge["concurrencyPolicy"], purge["failedJobsHistoryLimit"]) == ("Replace", 3)


def test_several_hosts_have_a_certificate_each() -> None:
    manifests = objects_of("maskgate", "several-hosts")
    api = named(manifests, "Ingress", "api")
    assert [rule["host"] for rule in api["spec"]["rules"]] == [
        "gate.example.org",
        "gate.example.com",
    ]
    paths = [[path["path"] for path in rule["http"]["paths"]] for rule in api["spec"]["rules"]]
    assert paths[0] == paths[1] == ["/v1", "/p", "/healthz", "/readyz"]
    assert {each["secretName"]: each["hosts"] for each in api["spec"]["tls"]} == {
        "gate-tls": ["gate.example.org"],
        "gate-com-tls": ["gate.example.com"],
    }
    assert "nginx.ingress.kubernetes.io/proxy-body-size" in api["metadata"]["annotations"]
    desk = named(manifests, "Ingress", "dashboard")
    both = ["desk.example.org", "desk.example.com"]
    assert desk["spec"]["tls"] == [{"secretName": "desk-tls", "hosts": both}]
    assert "annotations" not in desk["metadata"]
    page = named(manifests, "Deployment", "dashboard")["spec"]["template"]["spec"]["containers"][0]
    assert environment(page)["STREAMLIT_SERVER_ALLOWED_HOSTS"].split() == [
        "localhost",
        "127.0.0.1",
        *both,
    ]


def test_without_a_dashboard_nothing_of_it_is_left() -> None:
    manifests = objects_of("maskgate", "no-dashboard")
    for each in manifests:
        assert "dashboard" not in each["metadata"]["name"]
    (ingress,) = of_kind(manifests, "Ingress")
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == ["gate.example.org"]
    steps = [
        container["args"]
        for container in containers(named(manifests, "Job", "setup")["spec"]["template"])
    ]
    assert [step[:2] for step in steps] == [["gates", "create"]]


def test_where_secrets_are_there_before_the_cloud_their_key_is_made_known() -> None:
    manifests = objects_of("maskgate", "gitops")
    assert of_kind(manifests, "Secret") == []
    (step,) = containers(named(manifests, "Job", "setup")["spec"]["template"])
    assert step["args"][:2] == ["keys", "add"]
    (volume,) = [
        each
        for each in named(manifests, "Job", "setup")["spec"]["template"]["spec"]["volumes"]
        if each["name"] == "secrets"
    ]
    held = {
        item["path"]: source["secret"]["name"]
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert held == {"cloud_redis_url": "maskgate-redis", "dashboard_api_key": "maskgate-dashboard"}
    again = rendered(CLOUD, {"redis": {"bundled": {"existingSecret": "r"}}, "gates": {}})
    assert of_kind(again, "Secret") != [], "the dashboard's alone is made"


def test_a_redis_with_tls_at_an_odd_port_is_called_there_with_its_ca() -> None:
    manifests = objects_of("maskgate", "external-redis-tls")
    assert of_kind(manifests, "StatefulSet") == []
    for name in ("api", "worker"):
        pod = named(manifests, "Deployment", name)["spec"]["template"]
        (container,) = containers(pod)
        told = environment(container)
        assert told["CLOUD_REDIS_URL"].startswith("rediss://redis.data.example.org:16380/2?")
        assert told["CLOUD_QUEUE_URL"] == "redis://queue.data.example.org:17000/0"
        _, _, where = told["CLOUD_REDIS_URL"].partition("ssl_ca_certs=")
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "redis-ca"]
        assert where == f"{mount['mountPath']}/ca.crt"
        for address in (told["CLOUD_REDIS_URL"], told["CLOUD_QUEUE_URL"]):
            assert addresses.checked(address) == address
    network = Network(manifests)
    worker, server = network.component("worker"), outside("10.20.0.9")
    ports = (6379, 6380, 16380, 17000, 26379)
    assert {port for port in ports if network.reaches(worker, server, port)} == {16380, 17000}
    assert not network.reaches(worker, outside("10.21.0.9"), 16380)


def test_sentinels_are_called_at_their_ports_and_the_master_at_its_own() -> None:
    manifests = objects_of("maskgate", "sentinels")
    url = environment(containers(named(manifests, "Deployment", "api")["spec"]["template"])[0])
    service = addresses.Service.read(url["CLOUD_REDIS_URL"])
    assert service is not None
    network = Network(manifests)
    worker = network.component("worker")
    for _, port in service.sentinels:
        assert network.reaches(worker, pod_of("redis"), port)
    assert network.reaches(worker, pod_of("redis"), 6381)
    assert not network.reaches(worker, pod_of("redis"), 6379)


def test_with_secrets_that_are_there_none_is_made_and_each_is_a_file() -> None:
    manifests = objects_of("maskgate", "existing-secrets")
    assert of_kind(manifests, "Secret") == []
    named_in = {
        source["secret"].get("name", source["secret"].get("secretName"))
        for _, pod in pods(manifests)
        for volume in pod["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", [volume])
        if "secret" in source
    }
    assert named_in == {
        *("maskgate-redis", "maskgate-telegram", "maskgate-smtp", "maskgate-dashboard"),
        "maskgate-passes",
    }
    for _, pod in pods(manifests):
        for container in containers(pod):
            assert not {"CLOUD_REDIS_URL", "CLOUD_QUEUE_URL"} & set(environment(container))
    assert of_kind(manifests, "Job") == [], "the dashboard's key was made by hand"
    values = Scenario(CLOUD, "existing-secrets").values
    assert "dashboard.apiKey.register=true" in notes(CLOUD, values)
    values["dashboard"]["apiKey"]["register"] = True
    assert "dashboard.apiKey.register" not in notes(CLOUD, values)
