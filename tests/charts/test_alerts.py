"""Alerts and the Grafana dashboard: of metrics that are there, in queries that Prometheus reads."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
from prometheus_client import CollectorRegistry

from cloud import meters
from cloud.api.metrics import Metrics
from edge.health import Health
from tests.charts.rendering import CLOUD, EDGE, ROOT, Manifest, of_kind, rendered

SWITCHED_ON = {
    "monitoring": {"enabled": True, "rules": {"enabled": True}, "grafana": {"enabled": True}},
    "backup": {"enabled": True},
}
DOORS = {
    "cloud": {"url": "https://gate.example.org"},
    "doors": {"main": {}},
    "monitoring": {"enabled": True, "rules": {"enabled": True}},
}
OF_OTHERS = {
    "up",
    "kube_cronjob_status_last_successful_time",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "process_resident_memory_bytes",
}
"""Metrics of Prometheus, of kube-state-metrics, of the kubelet and of every Python process."""


def _names(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        match family.type:
            case "counter":
                yield f"{family.name}_total"
            case "histogram":
                yield from (f"{family.name}_{part}" for part in ("bucket", "count", "sum"))
            case _:
                yield family.name


def _gauges_of_a_run() -> set[str]:
    """Gauges that the edge adds when it runs, by the names that its source gives them."""
    source = (ROOT / "edge" / "installation.py").read_text()
    return {f"maskgate_edge_{name}" for name in re.findall(r'health\.gauge\("(\w+)"', source)}


@pytest.fixture(scope="module")
def there() -> set[str]:
    health = Health(stall_after_s=1)
    return (
        OF_OTHERS
        | set(_names(meters.REGISTRY))
        | set(_names(Metrics().registry))
        | set(_names(health.registry))
        | _gauges_of_a_run()
    )


def _alerts() -> list[Manifest]:
    manifests = [*rendered(CLOUD, SWITCHED_ON), *rendered(EDGE, DOORS)]
    return [
        rule
        for manifest in of_kind(manifests, "PrometheusRule")
        for group in manifest["spec"]["groups"]
        for rule in group["rules"]
    ]


def _dashboard() -> dict[str, Any]:
    (config,) = [
        each
        for each in of_kind(rendered(CLOUD, SWITCHED_ON), "ConfigMap")
        if each["metadata"]["name"].endswith("-grafana")
    ]
    read: dict[str, Any] = json.loads(config["data"]["maskgate.json"])
    return read


def _queries() -> Iterator[tuple[str, str]]:
    for rule in _alerts():
        yield rule["alert"], rule["expr"]
    for panel in _dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def _asked(query: str) -> set[str]:
    """Return the metrics that a query asks for."""
    found = set()

    def walk(node: Any) -> None:
        match type(node).__name__:
            case "VectorSelector":
                found.add(node.name)
            case "MatrixSelector":
                walk(node.vector_selector)
            case "Call":
                for argument in node.args:
                    walk(argument)
            case "BinaryExpr":
                walk(node.lhs)
                walk(node.rhs)
            case "AggregateExpr" | "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                walk(node.expr)
            case "NumberLiteral" | "StringLiteral":
                pass
            case other:
                raise AssertionError(f"a test that does not know {other} sees no metric in it")

    walk(promql_parser.parse(query))
    return found


def test_every_query_is_promql_and_asks_for_metrics_that_are_there(there: set[str]) -> None:
    queries = list(_queries())
    assert len(queries) > 30
    for name, query in queries:
        asked = _asked(query)
        assert asked, name
        assert asked <= there, f"{name}: {asked - there}"


def test_a_metric_that_is_not_there_is_found_out(there: set[str]) -> None:
    assert _asked('sum(rate(maskgate_made_up_total{a="b"}[5m])) / 2') - there == {
        "maskgate_made_up_total"
    }


def test_every_alert_is_explained_where_its_link_leads() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    anchors = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", page, re.MULTILINE)}
    alerts = _alerts()
    for rule in alerts:
        link = rule["annotations"]["runbook_url"]
        assert link == f"docs/operate.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in anchors, f"docs/operate.md does not explain {rule['alert']}"
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
    explained = {anchor for anchor in anchors if anchor.startswith("maskgate")}
    assert explained == {rule["alert"].lower() for rule in alerts}


def test_alerts_look_at_their_own_namespace() -> None:
    for rule in _alerts():
        selectors = re.findall(r"\{(.*?)\}", rule["expr"])
        assert selectors, rule["alert"]
        for selector in selectors:
            assert 'namespace="doors"' in selector, rule["alert"]


def test_monitors_read_the_ports_that_pods_have() -> None:
    manifests = rendered(CLOUD, SWITCHED_ON)
    (service,) = of_kind(manifests, "ServiceMonitor")
    assert service["spec"]["endpoints"][0]["port"] == "http"
    (pod,) = of_kind(manifests, "PodMonitor")
    assert pod["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"
    for name in ("worker",):
        (deployment,) = [
            each
            for each in of_kind(manifests, "Deployment")
            if each["metadata"]["name"].endswith(f"-{name}")
        ]
        ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
        assert "metrics" in {port["name"] for port in ports}
