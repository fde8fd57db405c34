"""The alerts and the Grafana dashboard of a chart, their queries, and the metrics in these."""

import functools
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import promql_parser
from prometheus_client import CollectorRegistry

from cloud.api.store_metrics import Readout
from cloud.store import Reading, now
from tests.charts.rendering import (
    CLOUD,
    EDGE,
    ROOT,
    Manifest,
    merged,
    of_kind,
    rendered,
)

RUNBOOK = "https://docs.example.org/maskgate/operate"
SWITCHED_ON: dict[str, Any] = {
    "monitoring": {
        "enabled": True,
        "rules": {"enabled": True, "runbookBase": RUNBOOK},
        "grafana": {"enabled": True},
    },
    "backup": {"enabled": True},
    "telegram": {"existingSecret": "telegram"},
}
DOORS: dict[str, Any] = {
    "cloud": {"url": "https://gate.example.org"},
    "doors": {"main": {}},
    "monitoring": {"enabled": True, "rules": {"enabled": True, "runbookBase": RUNBOOK}},
}
CHARTS = ((CLOUD, SWITCHED_ON), (EDGE, DOORS))
OF_OTHERS = {
    "up",
    "kube_cronjob_created",
    "kube_cronjob_status_last_successful_time",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "process_resident_memory_bytes",
}
"""Metrics of Prometheus, of kube-state-metrics, of the kubelet and of every Python process."""


def readout() -> CollectorRegistry:
    """Metrics of what the store holds, of an empty one."""
    registry = CollectorRegistry()
    reading = Reading(devices=[], backed_up_at=None, redis={})
    registry.register(Readout(reading, now(), timedelta(seconds=60), named=1))
    return registry


def names_in(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        match family.type:
            case "counter":
                yield f"{family.name}_total"
            case "histogram":
                yield from (f"{family.name}_{part}" for part in ("bucket", "count", "sum"))
            case _:
                yield family.name


def gauges_of_a_run() -> set[str]:
    """Gauges that the edge adds when it runs, by the names that its source gives them."""
    parts = (ROOT / "edge" / "installation.py", ROOT / "edge" / "cameras.py")
    source = "".join(path.read_text() for path in parts)
    return {f"maskgate_edge_{name}" for name in re.findall(r'health\.gauge\(\s*"(\w+)"', source)}


def alerts_of(chart: Path, values: dict[str, Any], **release: str) -> list[Manifest]:
    return rules_of(chart, json.dumps(values), **release)


@functools.cache
def rules_of(chart: Path, values: str, **release: str) -> list[Manifest]:
    """The same for values as JSON: a chart takes long to render, and nobody changes a rule."""
    return [
        rule
        for manifest in of_kind(rendered(chart, json.loads(values), **release), "PrometheusRule")
        for group in manifest["spec"]["groups"]
        for rule in group["rules"]
    ]


def every_alert() -> list[Manifest]:
    return [
        *(rule for chart, values in CHARTS for rule in alerts_of(chart, values)),
        *alerts_of(CLOUD, merged(SWITCHED_ON, {"monitoring": {"enabled": False}})),
    ]


def grafana_dashboard() -> dict[str, Any]:
    (config,) = [
        each
        for each in of_kind(rendered(CLOUD, SWITCHED_ON), "ConfigMap")
        if each["metadata"]["name"].endswith("-grafana")
    ]
    read: dict[str, Any] = json.loads(config["data"]["maskgate.json"])
    return read


def every_query() -> Iterator[tuple[str, str]]:
    for rule in every_alert():
        yield rule["alert"], rule["expr"]
    for panel in grafana_dashboard()["panels"]:
        for target in panel.get("targets", []):  # a row has none
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def selectors_of(query: str) -> list[Any]:
    """Return the vector selectors of a query."""
    found = []

    def walk(node: Any) -> None:
        match type(node).__name__:
            case "VectorSelector":
                found.append(node)
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


def metrics_in(query: str) -> set[str]:
    """Return the metrics that a query asks for."""
    return {selector.name for selector in selectors_of(query)}


def labels_of(selector: Any) -> dict[str, str]:
    """Return the labels whose values a selector fixes."""
    return {
        matcher.name: matcher.value
        for matcher in selector.matchers.matchers
        if matcher.op == promql_parser.MatchOp.Equal
    }
