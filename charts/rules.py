"""`python -m charts.rules`: writes the charts' alerts as rule files of a plain Prometheus.

    charts/*/templates/alerts.yaml
    └── docker/prometheus/rules/*.yaml, for targets named as in docker/prometheus/prometheus.yaml

Alerts on what only Kubernetes measures (volumes) are left out. With `--check` nothing is written;
the exit code is 1 where something would be.
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
        name: of the file, and of the group in it.
        chart: the chart whose alerts they are.
        values: what the chart is given.
        only: the names of the alerts that go in; None for all that go into no other file.
    """

    name: str
    chart: str
    values: Mapping[str, Any]
    only: tuple[str, ...] | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        return FOLDER / f"{self.name}.yaml"

    def text(self) -> str:
        """Return what it should hold."""
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
    """Write, or with --check say what is out of date."""
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
        raise SystemExit("say `python -m charts.rules`")


if __name__ == "__main__":
    main()
