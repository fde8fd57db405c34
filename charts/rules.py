"""`python -m charts.rules`: writes the charts' alerts as rule files for a plain Prometheus.

    charts/*/templates/alerts.yaml
    └── docker/prometheus/rules/*.yaml, for targets named as in docker/prometheus/prometheus.yaml

Alerts on volumes are left out, since only Kubernetes measures volumes. With `--check` nothing is
written, and the exit code is 1 if a file is out of date.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from helm_python.chart import Chart

CHARTS: Final = Path(__file__).parent
FOLDER: Final = CHARTS.parent / "docker" / "prometheus" / "rules"
HEAD: Final = "# Written by `python -m charts.rules` from {templates}.\n"
OF_KUBERNETES: Final = ("kubelet_", "kube_")
OF_THE_BOT: Final = ("MaskgateNoBot", "MaskgateBotIsDeaf")

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A file of rules.

    Attributes:
        name: Name of the file, and of the group in the file.
        chart: The chart of the alerts.
        values: The chart's values.
        only: Names of the alerts in the file; None for all alerts that are in no other file.
    """

    name: str
    chart: str
    values: Mapping[str, Any]
    only: tuple[str, ...] | None = None

    @property
    def path(self) -> Path:
        """The path of the file."""
        return FOLDER / f"{self.name}.yaml"

    def text(self) -> str:
        """Return the right text of the file."""
        rules = [
            {**rule, "expr": " ".join(rule["expr"].split())}
            for rule in _alerts(CHARTS / self.chart, self.values)
            if self._takes(rule)
        ]
        group = {"groups": [{"name": self.name, "rules": rules}]}
        head = HEAD.format(templates=f"charts/{self.chart}/templates/alerts.yaml")
        return head + yaml.safe_dump(group, sort_keys=False, allow_unicode=True, width=1_000)

    def _takes(self, rule: Rule) -> bool:
        if any(metric in rule["expr"] for metric in OF_KUBERNETES):
            return False
        if self.only is not None:
            return rule["alert"] in self.only
        return rule["alert"] not in OF_THE_BOT


_CLOUD: Final[Mapping[str, Any]] = {
    "backup": {"enabled": True},
    "monitoring": {
        "rules": {
            "enabled": True,
            "selectors": {
                "api": 'job="maskgate-api"',
                "worker": 'job="maskgate-worker"',
                "bot": 'job="maskgate-bot"',
            },
        }
    },
    "telegram": {"existingSecret": "of-the-bot"},
}
_EDGE: Final[Mapping[str, Any]] = {
    "cloud": {"url": "https://gate.example.org"},
    "doors": {"main": {}},
    "monitoring": {"rules": {"enabled": True, "selector": 'job="maskgate-edge"'}},
}

FILES: Final = (
    RuleFile("maskgate", "maskgate", _CLOUD),
    RuleFile("maskgate-bot", "maskgate", _CLOUD, only=OF_THE_BOT),
    RuleFile("maskgate-edge", "maskgate-edge", _EDGE),
)


def _alerts(chart: Path, values: Mapping[str, Any]) -> Iterator[Rule]:
    texts = Chart.load(chart).render(dict(values), name="maskgate", namespace="maskgate")
    manifest = yaml.safe_load(texts[f"{chart.name}/templates/alerts.yaml"])
    for group in manifest["spec"]["groups"]:
        yield from group["rules"]


def main() -> None:
    """Write the files; with --check, print those that are out of date."""
    check = "--check" in sys.argv[1:]
    stale = [
        file for file in FILES if not file.path.exists() or file.path.read_text() != file.text()
    ]
    for file in stale:
        if not check:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file.path.write_text(file.text())
        print(f"{'out of date' if check else 'wrote'}: {file.path.relative_to(CHARTS.parent)}")
    if check and stale:
        raise SystemExit("run `python -m charts.rules`")


if __name__ == "__main__":
    main()
