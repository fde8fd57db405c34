"""Alerts and the Grafana dashboard: of metrics that are there, in queries that Prometheus reads."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.errors import HelmError

from charts import rules
from cloud import meters
from cloud.api.metrics import Metrics
from edge.health import Health
from tests.charts.alert_queries import (
    CHARTS,
    DOORS,
    OF_OTHERS,
    RUNBOOK,
    SWITCHED_ON,
    alerts_of,
    every_alert,
    every_query,
    gauges_of_a_run,
    labels_of,
    metrics_in,
    names_in,
    readout,
    selectors_of,
)
from tests.charts.rendering import (
    CLOUD,
    EDGE,
    NAMESPACE,
    ROOT,
    merged,
    of_kind,
    rendered,
    texts,
)


@pytest.fixture(scope="module")
def there() -> set[str]:
    health = Health()
    return (
        OF_OTHERS
        | set(names_in(meters.REGISTRY))
        | set(names_in(Metrics().registry))
        | set(names_in(readout()))
        | set(names_in(health.registry))
        | gauges_of_a_run()
    )


def test_every_query_is_promql_and_asks_for_metrics_that_are_there(there: set[str]) -> None:
    queries = list(every_query())
    assert len(queries) > 30
    for name, query in queries:
        asked = metrics_in(query)
        assert asked, name
        assert asked <= there, f"{name}: {asked - there}"


def test_a_metric_that_is_not_there_is_found_out(there: set[str]) -> None:
    assert metrics_in('sum(rate(maskgate_made_up_total{a="b"}[5m])) / 2') - there == {
        "maskgate_made_up_total"
    }


def test_every_alert_is_explained_where_its_link_leads() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    anchors = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", page, re.MULTILINE)}
    alerts = every_alert()
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOK}#{rule['alert'].lower()}"
        assert rule["alert"].lower() in anchors, f"docs/operate.md does not explain {rule['alert']}"
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
    explained = {anchor for anchor in anchors if anchor.startswith("maskgate")}
    assert explained == {rule["alert"].lower() for rule in alerts}


@pytest.mark.parametrize("base", ["", None, "docs/operate.md"])
@pytest.mark.parametrize(("chart", "values"), CHARTS, ids=lambda each: getattr(each, "name", ""))
def test_an_alert_has_no_link_where_no_page_is_published(
    chart: Path, values: dict[str, Any], base: str | None
) -> None:
    """`docs/operate.md` was the default of earlier charts, and leads nowhere."""
    alerts = alerts_of(chart, merged(values, {"monitoring": {"rules": {"runbookBase": base}}}))
    assert alerts
    assert all(set(rule["annotations"]) == {"summary"} for rule in alerts)


@pytest.mark.parametrize("base", ["docs/runbooks.md", "/operate", "docs.example.org"])
@pytest.mark.parametrize(("chart", "values"), CHARTS, ids=lambda each: getattr(each, "name", ""))
def test_a_link_that_is_no_absolute_address_is_refused(
    chart: Path, values: dict[str, Any], base: str
) -> None:
    with pytest.raises(HelmError, match=r"monitoring\.rules\.runbookBase.*absolute") as refused:
        rendered(chart, merged(values, {"monitoring": {"rules": {"runbookBase": base}}}))
    assert base in str(refused.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("mg", "doors"), ("mg", "elsewhere")),
        (("mg", "doors"), ("trial", "doors")),
        # The name of one begins with the other's.
        (("maskgate", "doors"), ("maskgate-trial", "doors")),
    ],
)
@pytest.mark.parametrize(("chart", "values"), CHARTS, ids=lambda each: getattr(each, "name", ""))
def test_the_alerts_of_one_release_look_at_nothing_of_another(
    chart: Path, values: dict[str, Any], one: tuple[str, str], other: tuple[str, str]
) -> None:
    def looked_at(name: str, namespace: str) -> set[tuple[str, str]]:
        return {
            (labels["namespace"], labels.get("job") or labels["persistentvolumeclaim"])
            for rule in alerts_of(chart, values, name=name, namespace=namespace)
            for labels in map(labels_of, selectors_of(rule["expr"]))
        }

    assert looked_at(*one)
    assert not looked_at(*one) & looked_at(*other)


@pytest.mark.parametrize("namespace", [NAMESPACE, "elsewhere"])
def test_alerts_look_for_the_jobs_that_the_monitors_give(namespace: str) -> None:
    """A target's job is the Service of a ServiceMonitor, or a PodMonitor's namespace and name."""
    override = {"namespaceOverride": namespace if namespace != NAMESPACE else ""}
    given = set()
    looked_for = set()
    for chart, values in CHARTS:
        manifests = rendered(chart, merged(values, override))
        for monitor in of_kind(manifests, "ServiceMonitor"):
            chosen = monitor["spec"]["selector"]["matchLabels"].items()
            given |= {
                service["metadata"]["name"]
                for service in of_kind(manifests, "Service")
                if chosen <= service["metadata"]["labels"].items()
            }
        given |= {
            f"{monitor['metadata'].get('namespace', NAMESPACE)}/{monitor['metadata']['name']}"
            for monitor in of_kind(manifests, "PodMonitor")
        }
        matched = [
            labels_of(selector)
            for rule in alerts_of(chart, merged(values, override))
            for selector in selectors_of(rule["expr"])
        ]
        assert {labels["namespace"] for labels in matched} == {namespace}
        looked_for |= {labels["job"] for labels in matched if "job" in labels}
    assert looked_for == given


def test_without_monitors_no_alert_needs_them() -> None:
    alerts = alerts_of(CLOUD, merged(SWITCHED_ON, {"monitoring": {"enabled": False}}))
    assert {rule["alert"] for rule in alerts} == {"MaskgateBackupIsOld", "MaskgateRedisDiskFills"}
    for rule in alerts:
        assert all(name.startswith("kube") for name in metrics_in(rule["expr"]))


@pytest.mark.parametrize(
    "unread",
    [{"monitoring": {"enabled": False}}, {"metrics": {"expose": False}}],
    ids=["no monitor", "a port of the pod alone"],
)
def test_doors_that_nothing_reads_have_no_alerts(unread: dict[str, Any]) -> None:
    manifests = rendered(EDGE, merged(DOORS, unread))
    assert not of_kind(manifests, "PrometheusRule")
    assert not of_kind(manifests, "PodMonitor")


@pytest.mark.parametrize(("chart", "values"), CHARTS, ids=lambda each: getattr(each, "name", ""))
def test_the_notes_say_where_alerts_were_asked_for_and_nothing_is_read(
    chart: Path, values: dict[str, Any]
) -> None:
    def said(more: dict[str, Any]) -> str:
        return texts(chart, merged(values, more))[f"{chart.name}/templates/NOTES.txt"]

    assert "monitoring.rules.enabled" in said({"monitoring": {"enabled": False}})
    assert "monitoring.rules.enabled" not in said({})


def test_values_of_the_last_release_give_the_same_alerts() -> None:
    """`helm upgrade --reuse-values` brings no default of a value that is new."""
    new = {"selectors": None, "backupAfterSeconds": None}
    reused = merged(SWITCHED_ON, {"monitoring": {"rules": new}})
    assert alerts_of(CLOUD, reused) == alerts_of(CLOUD, SWITCHED_ON)
    new_of_doors = {"monitoring": {"rules": {"selector": None}}}
    assert alerts_of(EDGE, merged(DOORS, new_of_doors)) == alerts_of(EDGE, DOORS)
    unread = merged(reused, {"monitoring": {"enabled": False}})
    assert {rule["alert"] for rule in alerts_of(CLOUD, unread)} == {
        "MaskgateBackupIsOld",
        "MaskgateRedisDiskFills",
    }


def test_an_object_without_rules_is_not_made() -> None:
    values = merged(
        SWITCHED_ON,
        {
            "monitoring": {"enabled": False},
            "backup": {"enabled": False},
            "redis": {"bundled": {"persistence": {"enabled": False}}},
        },
    )
    assert not of_kind(rendered(CLOUD, values), "PrometheusRule")


def test_targets_that_are_read_by_other_means_are_looked_for_as_they_are_called() -> None:
    selectors = {"api": 'job="a"', "worker": 'job="w"', "bot": 'job="b"'}
    alerts = [
        *alerts_of(
            CLOUD,
            merged(
                SWITCHED_ON, {"monitoring": {"enabled": False, "rules": {"selectors": selectors}}}
            ),
        ),
        *alerts_of(
            EDGE,
            merged(DOORS, {"monitoring": {"enabled": False, "rules": {"selector": 'job="e"'}}}),
        ),
    ]
    jobs = {
        labels_of(selector)["job"]
        for rule in alerts
        for selector in selectors_of(rule["expr"])
        if not selector.name.startswith("kube")
    }
    assert jobs == {"a", "w", "b", "e"}


def test_without_a_bot_there_is_no_alert_of_one() -> None:
    alerts = alerts_of(CLOUD, merged(SWITCHED_ON, {"telegram": {"existingSecret": ""}}))
    assert not [rule for rule in alerts if "maskgate_bot" in rule["expr"]]


def test_workers_that_are_scaled_to_none_are_missed_only_while_jobs_wait() -> None:
    scaled = {
        "worker": {
            "autoscaling": {
                "kind": "keda",
                "minReplicas": 0,
                "keda": {"trigger": "prometheus", "prometheusAddress": "http://prometheus:9090"},
            }
        }
    }
    (rule,) = [
        each
        for each in alerts_of(CLOUD, merged(SWITCHED_ON, scaled))
        if each["alert"] == "MaskgateNoWorker"
    ]
    assert "maskgate_queue_oldest_job_seconds" in metrics_in(rule["expr"])


def test_the_rules_for_a_plain_prometheus_are_those_of_the_charts() -> None:
    named = set()
    for file in rules.FILES:
        assert file.path.read_text() == file.text(), "run `python -m charts.rules`"
        for group in yaml.safe_load(file.path.read_text())["groups"]:
            for rule in group["rules"]:
                named.add(rule["alert"])
                for selector in selectors_of(rule["expr"]):
                    assert labels_of(selector)["job"].startswith("maskgate-")
                    assert "namespace" not in labels_of(selector)
    assert {rule["alert"] for rule in every_alert()} - named == {"MaskgateRedisDiskFills"}


def test_the_plain_prometheus_reads_the_targets_that_its_rules_look_for() -> None:
    config = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yaml").read_text())
    jobs = {each["job_name"] for each in config["scrape_configs"]}
    for file in rules.FILES:
        for rule in yaml.safe_load(file.path.read_text())["groups"][0]["rules"]:
            assert {labels_of(each)["job"] for each in selectors_of(rule["expr"])} <= jobs
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    for each in config["scrape_configs"]:
        (target,) = each["dns_sd_configs"]
        assert set(target["names"]) <= set(services)
    folder = ROOT / "docker" / "prometheus"
    assert all((folder / name).exists() for name in config["rule_files"])


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
