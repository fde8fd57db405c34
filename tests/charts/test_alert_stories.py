"""Alerts on series of samples, as Prometheus' own promtool evaluates them.

Without promtool these tests are skipped, and only test_alerts.py looks at the rules. Debian and
Ubuntu have it in the package `prometheus`.
"""

import functools
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from charts import rules
from tests.charts.alert_stories import (
    API,
    BOT,
    DOORS,
    STORIES,
    VALUES,
    WELL,
    WORKER,
    Series,
    device,
)
from tests.charts.rendering import CLOUD, EDGE, merged, of_kind, rendered

PROMTOOL: Final = shutil.which("promtool")

pytestmark = pytest.mark.skipif(
    PROMTOOL is None,
    reason="promtool is not on the PATH (apt-get install prometheus): alerts are not evaluated",
)

TIMEOUT_S: Final = 120


def groups(chart: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    return _groups(chart, json.dumps(values))


@functools.cache
def _groups(chart: Path, values: str) -> dict[str, Any]:
    """The same for values as JSON: a chart takes long to render, and nobody changes its groups."""
    (manifest,) = of_kind(rendered(chart, json.loads(values)), "PrometheusRule")
    spec: dict[str, Any] = manifest["spec"]
    return spec


def evaluate(folder: Path, rule_groups: Mapping[str, Any], test: Mapping[str, Any]) -> None:
    """Have promtool evaluate rules on samples; fail with its words."""
    assert PROMTOOL is not None
    (folder / "rules.yaml").write_text(json.dumps(rule_groups))
    story = folder / "story.yaml"
    story.write_text(
        yaml.safe_dump(
            {
                "rule_files": ["rules.yaml"],
                "evaluation_interval": test["interval"],
                "tests": [test],
            }
        )
    )
    told = subprocess.run(
        [PROMTOOL, "test", "rules", str(story)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def samples(series: Series) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in series.items()]


@pytest.mark.parametrize("name", STORIES)
def test_an_alert_fires_when_it_should(name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    values = story.values if story.chart is EDGE else merged(VALUES, story.values)
    firing = f'count(ALERTS{{alertname="{story.alert}", alertstate="firing"}})'
    evaluate(
        tmp_path,
        groups(story.chart, values),
        {
            "interval": story.every,
            "input_series": samples(story.series),
            "promql_expr_test": [
                {
                    "expr": firing,
                    "eval_time": story.at,
                    "exp_samples": [{"labels": "{}", "value": 1}] if story.fires else [],
                }
            ],
        },
    )


def test_a_release_that_is_well_has_no_alert_for_days(tmp_path: Path) -> None:
    evaluate(
        tmp_path,
        groups(CLOUD, VALUES),
        {
            "interval": "30m",
            "input_series": samples(WELL),
            "promql_expr_test": [
                {"expr": 'ALERTS{alertstate="firing"}', "eval_time": at, "exp_samples": []}
                for at in ("1h", "24h", "50h", "80h")
            ],
        },
    )


def test_a_plain_prometheus_has_no_alert_of_a_stack_that_is_well(tmp_path: Path) -> None:
    jobs = {API: 'job="maskgate-api"', WORKER: 'job="maskgate-worker"', BOT: 'job="maskgate-bot"'}
    series = dict(WELL)
    for labels, job in jobs.items():
        series = {name.replace(labels, job): values for name, values in series.items()}
    series['up{job="maskgate-edge"}'] = "1x170"
    files = [yaml.safe_load(file.path.read_text())["groups"] for file in rules.FILES]
    evaluate(
        tmp_path,
        {"groups": [group for groups_of_file in files for group in groups_of_file]},
        {
            "interval": "30m",
            "input_series": samples(series),
            "promql_expr_test": [
                {"expr": 'ALERTS{alertstate="firing"}', "eval_time": at, "exp_samples": []}
                for at in ("1h", "80h")
            ],
        },
    )


def test_an_alert_names_the_device_and_links_to_what_to_do(tmp_path: Path) -> None:
    base = {"monitoring": {"rules": {"runbookBase": "https://docs.example.org/operate"}}}
    evaluate(
        tmp_path,
        groups(CLOUD, merged(VALUES, base)),
        {
            "interval": "1m",
            "input_series": samples(device("0x20")),
            "alert_rule_test": [
                {
                    "alertname": "MaskgateDeviceAway",
                    "eval_time": "10m",
                    "exp_alerts": [
                        {
                            "exp_labels": {
                                "severity": "critical",
                                "device": "d1",
                                "gate": "main",
                                "name": "North",
                            },
                            "exp_annotations": {
                                "summary": "Device North at gate main sends no heartbeat",
                                "runbook_url": "https://docs.example.org/operate"
                                "#maskgatedeviceaway",
                            },
                        }
                    ],
                }
            ],
        },
    )


@pytest.mark.parametrize("chart", [CLOUD, EDGE], ids=lambda chart: chart.name)
def test_promtool_finds_no_fault_in_the_rules(chart: Path, tmp_path: Path) -> None:
    assert PROMTOOL is not None
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps(groups(chart, VALUES if chart is CLOUD else DOORS)))
    told = subprocess.run(
        [PROMTOOL, "check", "rules", str(file)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "FAILED" not in told.stdout + told.stderr
