"""Charts rendered as Helm 4 renders them, without a cluster."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from helm_python.chart import Chart

ROOT = Path(__file__).resolve().parents[2]
CLOUD = ROOT / "charts" / "maskgate"
EDGE = ROOT / "charts" / "maskgate-edge"
RELEASE = "mg"
NAMESPACE = "doors"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A chart with the values of one file of its ci/ folder."""

    chart: Path
    name: str

    @property
    def file(self) -> Path:
        return self.chart / "ci" / f"{self.name}-values.yaml"

    @property
    def values(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.file.read_text())
        return loaded

    def __str__(self) -> str:
        return f"{self.chart.name}:{self.name}"


def scenarios() -> list[Scenario]:
    return [
        Scenario(chart, file.name.removesuffix("-values.yaml"))
        for chart in (CLOUD, EDGE)
        for file in sorted((chart / "ci").glob("*-values.yaml"))
    ]


@functools.cache
def loaded(chart: Path) -> Chart:
    return Chart.load(chart)


def texts(
    chart: Path, values: Mapping[str, Any], *, name: str = RELEASE, namespace: str = NAMESPACE
) -> dict[str, str]:
    """Return what each template gives, by its name."""
    return loaded(chart).render(dict(values), name=name, namespace=namespace)


def notes(chart: Path, values: Mapping[str, Any]) -> str:
    """Return what people read after an installation with these values."""
    (text,) = [
        text for template, text in texts(chart, values).items() if template.endswith("/NOTES.txt")
    ]
    return text


def merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with others over them, as Helm merges files of values."""
    both = dict(values)
    for key, value in more.items():
        held = both.get(key)
        both[key] = (
            merged(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
        )
    return both


def rendered(
    chart: Path, values: Mapping[str, Any], *, name: str = RELEASE, namespace: str = NAMESPACE
) -> list[Manifest]:
    """Return the objects that the chart gives with these values."""
    return [
        manifest
        for template, text in texts(chart, values, name=name, namespace=namespace).items()
        if template.endswith(".yaml")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


@functools.cache
def objects(scenario: Scenario) -> tuple[Manifest, ...]:
    """Return the objects of a scenario; nobody may change them."""
    return tuple(rendered(scenario.chart, scenario.values))


def of_kind(manifests: tuple[Manifest, ...] | list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def named(manifests: tuple[Manifest, ...] | list[Manifest], kind: str, name: str) -> Manifest:
    """Return the one object of this kind whose name ends so."""
    (found,) = [
        each for each in of_kind(manifests, kind) if each["metadata"]["name"].endswith(f"-{name}")
    ]
    return found


def pods(manifests: tuple[Manifest, ...] | list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield every pod's metadata and spec with the name of the object that makes it."""
    for manifest in manifests:
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        match manifest["kind"]:
            case "Pod":
                yield name, manifest
            case "Deployment" | "StatefulSet" | "DaemonSet" | "Job":
                yield name, manifest["spec"]["template"]
            case "CronJob":
                yield name, manifest["spec"]["jobTemplate"]["spec"]["template"]


def containers(pod: Manifest) -> list[Manifest]:
    """Return a pod's containers, those that run before it included."""
    spec = pod["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def objects_of(chart: str, scenario: str) -> tuple[Manifest, ...]:
    """The objects of a scenario in a chart's `ci/`, both by name."""
    return objects(Scenario({"maskgate": CLOUD, "maskgate-edge": EDGE}[chart], scenario))


def environment(container: Manifest) -> dict[str, str]:
    """A container's variables; those from elsewhere are empty."""
    return {each["name"]: each.get("value", "") for each in container.get("env", [])}
