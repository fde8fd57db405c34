"""Who may call whom: the policies of the cloud's chart, decided as a cluster decides them."""

from collections.abc import Mapping
from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.network import Network, Place, outside, pod
from tests.charts.rendering import (
    CLOUD,
    Manifest,
    Scenario,
    named,
    notes,
    objects,
    objects_of,
    of_kind,
    pods,
    rendered,
)

ANYBODY = pod("another", app="curl")
NEIGHBOUR = pod("doors", app="curl")
INGRESS = pod("ingress-nginx", **{"app.kubernetes.io/name": "ingress-nginx"})
INTERNET = outside("149.154.167.220")
INTERNET_6 = outside("2001:67c:4e8:f004::9")
TO_DASHBOARD: dict[str, Any] = {
    "ingress": {
        "enabled": True,
        "api": {"host": "gate.example.org"},
        "dashboard": {"host": "desk.example.org"},
    }
}


def _network(values: Mapping[str, Any]) -> Network:
    return Network(rendered(CLOUD, values))


def _of(scenario: str, namespace: str = "doors") -> Network:
    return Network(objects_of("maskgate", scenario), namespace)


def _allowed(network: Network) -> set[tuple[str, str, int]]:
    """Return (from, to, port) between the components of a release."""
    known = {name: network.component(name) for name in network.components()}
    return {
        (source, target, port)
        for source, here in known.items()
        for target, there in known.items()
        for port in there.ports.values()
        if source != target and network.reaches(here, there, port)
    }


ELSEWHERE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}


@pytest.mark.parametrize("clients", [[], [ELSEWHERE]], ids=["none", "named"])
def test_only_the_arrows_that_are_needed_are_drawn(clients: list[Manifest]) -> None:
    values = {
        "backup": {"enabled": True},
        "purge": {"enabled": True},
        "telegram": {"existingSecret": "telegram"},
        "networkPolicy": {"clients": clients},
    }
    store = {"api", "worker", "bot", "setup", "backup", "purge", "rehearsal"}
    assert _allowed(_network(values)) == {
        ("dashboard", "api", 8000),
        ("rehearsal", "api", 8000),
        *((component, "redis", 6379) for component in store),
    }


def test_everything_is_denied_to_begin_with(scenario: Scenario) -> None:
    policies = of_kind(objects(scenario), "NetworkPolicy")
    if not scenario.values.get("networkPolicy", {}).get("enabled", True):
        assert policies == []
        return
    deny = named(policies, "NetworkPolicy", "default-deny")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in deny
    assert "egress" not in deny
    for _, template in pods(objects(scenario)):
        labels = template["metadata"]["labels"]
        assert deny["podSelector"]["matchLabels"].items() <= labels.items()


def test_by_default_no_pod_opens_the_dashboard_and_all_may_call_the_api() -> None:
    network = _of("default")
    dashboard, api = network.component("dashboard"), network.component("api")
    for caller in (ANYBODY, NEIGHBOUR, INGRESS, INTERNET, api, network.component("worker")):
        assert not network.reaches(caller, dashboard, 8501)
    for caller in (ANYBODY, NEIGHBOUR, INGRESS, INTERNET):
        assert network.reaches(caller, api, 8000), "a key is asked for; doors are anywhere"
    assert not network.reaches(ANYBODY, network.component("redis"), 6379)
    said = notes(CLOUD, {})
    assert "nobody in the cluster" in said
    assert "kubectl -n doors port-forward svc/mg-maskgate-dashboard 8501:8501" in said


def test_the_ingress_controllers_namespace_is_named_in_a_word() -> None:
    values = {**TO_DASHBOARD, "networkPolicy": {"ingressNamespaces": ["ingress-nginx"]}}
    network = _network(values)
    dashboard, api = network.component("dashboard"), network.component("api")
    assert network.reaches(INGRESS, dashboard, 8501)
    assert not network.reaches(ANYBODY, dashboard, 8501)
    assert not network.reaches(NEIGHBOUR, dashboard, 8501)
    assert network.reaches(ANYBODY, api, 8000)
    assert "pods of the namespace ingress-nginx" in notes(CLOUD, values)


def test_the_router_of_openshift_leads_to_the_dashboard() -> None:
    network = _of("openshift")
    dashboard = network.component("dashboard")
    assert network.reaches(pod("openshift-ingress"), dashboard, 8501)
    assert not network.reaches(pod("openshift-monitoring"), dashboard, 8501)
    assert network.reaches(pod("openshift-monitoring"), network.component("worker"), 9100)


def test_named_clients_are_the_only_ones_besides_the_ingress() -> None:
    desk = pod("desk", app="desk")
    network = _network(
        {
            "telegram": {"existingSecret": "t", "webhookSecretKey": "w"},
            "settings": {"CLOUD_PUBLIC_URL": "https://gate.example.org"},
            "networkPolicy": {
                "clients": [
                    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "desk"}}}
                ],
                "ingressNamespaces": ["ingress-nginx"],
                "dashboardClients": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
            },
        }
    )
    for name, port in (("api", 8000), ("bot", 8443), ("dashboard", 8501)):
        target = network.component(name)
        assert network.reaches(desk, target, port)
        assert network.reaches(INGRESS, target, port)
        assert not network.reaches(ANYBODY, target, port)
        assert network.reaches(outside("10.1.2.3"), target, port) == (name == "dashboard")
    assert network.reaches(network.component("dashboard"), network.component("api"), 8000)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (TO_DASHBOARD, "an Ingress (ingress.dashboard)"),
        (
            {
                "gateway": {
                    "enabled": True,
                    "parentRefs": [{"name": "public"}],
                    "apiHostnames": ["gate.example.org"],
                    "dashboardHostnames": ["desk.example.org"],
                }
            },
            "an HTTPRoute (gateway.dashboardHostnames)",
        ),
        ({"dashboard": {"service": {"type": "NodePort"}}}, "a Service of type NodePort"),
    ],
)
def test_a_way_in_that_ends_at_a_closed_door_is_refused_with_the_mend(
    values: dict[str, Any], words: str
) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(CLOUD, values)
    said = str(refused.value)
    assert words in said
    assert "--set 'networkPolicy.ingressNamespaces={ingress-nginx}'" in said
    mends: tuple[dict[str, Any], ...] = (
        {"ingressNamespaces": ["ingress-nginx"]},
        {"clients": [{"namespaceSelector": {}}]},
        {"dashboardClients": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]},
        {"enabled": False},
    )
    for mend in mends:
        assert rendered(CLOUD, {**values, "networkPolicy": mend})


@pytest.mark.parametrize(("example", "port"), [("log-in-basic", 8080), ("log-in-oauth2", 4180)])
def test_behind_a_log_in_the_page_itself_is_reached_by_nobody(example: str, port: int) -> None:
    network = _of(example)
    dashboard = network.component("dashboard")
    assert dashboard.ports == {"http": port}
    controller = pod("ingress-nginx" if port == 8080 else "envoy-gateway-system")
    assert network.reaches(controller, dashboard, port)
    assert not network.reaches(controller, dashboard, 8501)
    assert not network.reaches(ANYBODY, dashboard, port)


def test_a_log_in_reaches_its_provider_and_nothing_else() -> None:
    network = _of("log-in-oauth2")
    dashboard = network.component("dashboard")
    assert network.reaches(dashboard, outside("10.40.0.7"), 8443)
    assert not network.reaches(dashboard, outside("10.40.0.7"), 443)
    assert not network.reaches(dashboard, outside("10.41.0.7"), 8443)
    basic = _of("log-in-basic")
    assert not basic.reaches(basic.component("dashboard"), INTERNET, 443)


def test_metrics_are_read_by_whom_a_value_names() -> None:
    prometheus = pod("monitoring", app="prometheus")
    on = {"monitoring": {"enabled": True}}
    network = _network(on)
    assert network.reaches(prometheus, network.component("worker"), 9100)
    assert not network.reaches(ANYBODY, network.component("worker"), 9100)
    network = _network({**on, "networkPolicy": {"monitoring": []}})
    assert not network.reaches(ANYBODY, network.component("worker"), 9100)


def test_two_releases_in_a_namespace_do_not_reach_each_other() -> None:
    both = [*rendered(CLOUD, {}, name="north"), *rendered(CLOUD, {}, name="south")]
    names = [(each["kind"], each["metadata"]["name"]) for each in both]
    assert len(names) == len(set(names))
    network = Network(both)
    for name in network.components("north"):
        here = network.component(name, "north")
        assert not network.reaches(here, network.component("redis", "south"), 6379)
        assert not network.reaches(here, network.component("dashboard", "south"), 8501)
    assert network.reaches(
        network.component("worker", "north"), network.component("redis", "north"), 6379
    )


# What goes out.


def _redis_ports(values: dict[str, Any]) -> set[int]:
    network = _network({**values, "redis": {"mode": "external", **values["redis"]}})
    worker = network.component("worker")
    server = outside("10.20.0.5")
    usual = (80, 443, 6379, 6380, 6381, 6390, 7000, 16380, 17000, 26379, 26380)
    return {port for port in usual if network.reaches(worker, server, port)}


@pytest.mark.parametrize(
    ("external", "ports"),
    [
        ({"url": "redis://redis.data/0"}, {6379}),
        ({"url": "rediss://redis.data:16380/2?ssl_cert_reqs=required"}, {16380}),
        ({"url": "redis://[fd00::7]:6390"}, {6390}),
        ({"url": "redis://redis.data", "queueUrl": "redis://queue.data:7000/0"}, {6379, 7000}),
        ({"url": "redis+sentinel://a,b:26380/maskgate/0"}, {26379, 26380, 6379, 6380}),
        ({"existingSecret": "redis"}, {6379, 6380, 26379}),
        ({"existingSecret": "redis", "url": "rediss://redis.data:7000"}, {7000}),
        (
            {"existingSecret": "redis", "url": "rediss://redis.data:7000", "queueUrlKey": "queue"},
            {7000, 6379, 6380, 26379},
        ),
    ],
)
def test_the_port_of_redis_is_read_from_its_address(
    external: dict[str, str], ports: set[int]
) -> None:
    assert _redis_ports({"redis": {"external": external}}) == ports
    said = {"redis": {"external": external}, "networkPolicy": {"redisPorts": [6381]}}
    assert _redis_ports(said) == {6381}, "what is said wins"


def test_where_the_port_of_redis_cannot_be_known_the_notes_ask_for_it() -> None:
    unknown = {"redis": {"mode": "external", "external": {"existingSecret": "redis"}}}
    assert "--set 'networkPolicy.redisPorts={6390}'" in notes(CLOUD, unknown)
    told = {**unknown, "networkPolicy": {"redisPorts": [6390]}}
    assert "networkPolicy.redisPorts" not in notes(CLOUD, told)
    url = {"redis": {"mode": "external", "external": {"url": "redis://r:7000"}}}
    assert "networkPolicy.redisPorts" not in notes(CLOUD, url)


@pytest.mark.parametrize(
    ("said", "port"),
    [
        ({}, 587),
        ({"settings": {"CLOUD_SMTP_PORT": 465}}, 465),
        ({"networkPolicy": {"mailPort": 2525}}, 2525),
        ({"settings": {"CLOUD_SMTP_PORT": 465}, "networkPolicy": {"mailPort": 2525}}, 2525),
        ({"settings": {"CLOUD_SMTP_PORT": 465}, "networkPolicy": {"mailPort": 587}}, 465),
    ],
)
def test_the_port_of_the_mail_server_is_that_of_the_settings(
    said: dict[str, Any], port: int
) -> None:
    settings = {"CLOUD_SMTP_HOST": "mail.example.org", **said.get("settings", {})}
    network = _network({**said, "settings": settings})
    worker = network.component("worker")
    reached = {each for each in (25, 465, 587, 2525) if network.reaches(worker, INTERNET, each)}
    assert reached == {port}


def test_a_bot_api_of_ones_own_is_reached_at_its_port() -> None:
    settings = {"CLOUD_TELEGRAM_API_URL": "http://bot-api.telegram.svc:8081/bot"}
    values = {"settings": settings, "telegram": {"existingSecret": "t"}}
    server = pod("telegram", app="bot-api")
    network = _network(values)
    for name in ("worker", "bot"):
        assert network.reaches(network.component(name), server, 8081)
        assert not network.reaches(network.component(name), server, 8082)
    assert not network.reaches(network.component("api"), server, 8081)
    peers = [{"podSelector": {}, "namespaceSelector": {"matchLabels": {"a": "b"}}}]
    network = _network({**values, "networkPolicy": {"telegram": peers, "telegramPorts": [8082]}})
    assert not network.reaches(network.component("bot"), server, 8082)
    secure = {"settings": {"CLOUD_TELEGRAM_API_URL": "https://bot-api.example.org/bot"}}
    network = _network(secure)
    assert network.reaches(network.component("worker"), outside("10.9.9.9"), 443)


def test_webhooks_reach_private_networks_where_a_setting_says_so() -> None:
    office = outside("192.168.1.20")
    network = _of("default")
    assert not network.reaches(network.component("worker"), office, 443)
    network = _network({"settings": {"CLOUD_WEBHOOK_PRIVATE_ADDRESSES": True}})
    worker = network.component("worker")
    assert network.reaches(worker, office, 443)
    assert network.reaches(worker, office, 80)
    assert not network.reaches(worker, outside("169.254.169.254"), 80), "a node's metadata"
    assert not network.reaches(network.component("api"), office, 443)


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("http://collector.observability:4318", 4318),
        ("https://otlp.example.org/v1", 443),
        ("http://somebody@collector", 80),
    ],
)
def test_the_collector_and_the_proxy_are_reached_at_the_ports_of_their_addresses(
    address: str, port: int
) -> None:
    for variable, ports in (
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlpPorts"),
        ("https_proxy", "proxyPorts"),
    ):
        env = {"extraEnv": [{"name": variable, "value": address}]}
        for values in (env, {"worker": env}):
            network = _network(values)
            worker = network.component("worker")
            assert network.reaches(worker, pod("observability"), port)
            assert not network.reaches(worker, pod("observability"), port + 1)
        network = _network({**env, "networkPolicy": {ports: [9000]}})
        assert network.reaches(network.component("api"), pod("observability"), 9000)
        assert not network.reaches(network.component("api"), pod("observability"), port)


def test_an_address_that_is_elsewhere_is_asked_for_in_the_notes() -> None:
    source = {"secretKeyRef": {"name": "otel", "key": "endpoint"}}
    env = {"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "valueFrom": source}]}
    assert "networkPolicy.otlpPorts" in notes(CLOUD, env)


def _dns(network: Network, resolver: Place, port: int) -> bool:
    worker = network.component("worker")
    asked = {network.reaches(worker, resolver, port, protocol) for protocol in ("UDP", "TCP")}
    (answer,) = asked
    return answer


def test_dns_is_asked_where_a_cluster_has_it() -> None:
    usual, shift = pod("kube-system", **{"k8s-app": "kube-dns"}), pod("openshift-dns")
    assert _dns(_of("default"), usual, 53)
    assert not _dns(_of("default"), shift, 5353)
    assert _dns(_of("openshift"), shift, 5353)
    assert not _dns(_of("openshift"), shift, 53)
    assert not _dns(_of("openshift"), usual, 53)
    assert _dns(_of("node-local-dns"), outside("169.254.20.10"), 53)
    assert _dns(_of("node-local-dns"), usual, 53)
    assert not _dns(_of("node-local-dns"), pod("kube-system", app="other"), 53)


def test_ipv6_is_let_out_where_pods_have_it() -> None:
    network = _of("ipv6")
    bot = network.component("bot")
    assert network.reaches(bot, INTERNET_6, 443)
    assert network.reaches(bot, outside("64:ff9b::959a:a7dc"), 443), "Telegram behind NAT64"
    for private in ("fd00::1", "fe80::1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe"):
        assert not network.reaches(bot, outside(private), 443), private
    assert not _of("default").reaches(_of("default").component("worker"), INTERNET_6, 443)
    both = _network({"networkPolicy": {"internet": {"cidr6": "2000::/3", "except6": []}}})
    assert both.reaches(both.component("worker"), INTERNET_6, 443)
    assert both.reaches(both.component("worker"), INTERNET, 443)
    narrow = _network({"bindAddress": "::", "networkPolicy": {"internet": {"cidr": "2000::/3"}}})
    assert not narrow.reaches(narrow.component("worker"), INTERNET, 443)
