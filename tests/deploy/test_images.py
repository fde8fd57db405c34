"""Each image, run hardened: it starts, imports all that it holds, and does its work."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import pytest

from tests.deploy.engine import (
    HARDENED,
    ROOT,
    VERSION,
    docker,
    health,
    image,
    inspected,
    running,
    wait_until,
)
from tests.edge import standins
from tests.edge.test_sidecar import CLASSIFIER, DETECTOR, described, write_boxes, write_means

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.timeout(600)]

CLIP = f"{ROOT / 'demo' / 'clip.mp4'}:/clip.mp4:ro"
REDIS = "redis:7-bookworm"
IMPORT_ALL = (ROOT / "tests" / "deploy" / "imports.py").read_text()


@pytest.mark.parametrize(
    ("name", "packages", "most_mib"),
    [
        ("edge", ["edge", "cloud"], 480),
        ("cloud", ["cloud"], 150),
        ("dashboard", ["dashboard"], 350),
    ],
)
def test_an_image_holds_what_it_imports_and_little_else(
    name: str, packages: list[str], most_mib: int
) -> None:
    run = ("run", "--rm", *HARDENED, "--network=none", "--entrypoint=python", image(name))
    assert int(docker(*run, "-W", "ignore", "-c", IMPORT_ALL, *packages).stdout) > 10
    folders = docker(*run, "-c", "import os; print(*sorted(os.listdir('/app')))").stdout.split()
    ours = {"edge", "cloud", "dashboard", "training", "tests", "demo", "benchmarks"}
    assert ours & set(folders) == {*packages, "cloud"}
    if name != "cloud":
        assert docker(*run, "-c", "import cloud.store", check=False).returncode
    found = inspected(image(name))
    base = inspected("python:3.11-slim-bookworm")
    assert (found["Size"] - base["Size"]) / 2**20 < most_mib
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["Healthcheck"]["Test"][0] == "CMD"
    assert found["Config"]["StopSignal"] == "SIGTERM"
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in found["Config"]["Labels"].items()
    }
    assert labels["title"] == f"Maskgate {name}"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == VERSION
    assert re.fullmatch("[0-9a-f]{40}|", labels["revision"])
    assert not labels["created"] or datetime.fromisoformat(labels["created"]).tzinfo
    assert "source" in labels


@pytest.mark.parametrize("name", ["edge", "cloud", "dashboard"])
def test_an_image_cannot_install_packages(name: str) -> None:
    installers = ("pip", "pip-*", "setuptools", "setuptools-*", "wheel-*", "ensurepip")
    named = " -o ".join(f"-name '{each}'" for each in installers)
    # What Debian's package manager notes of its own packages is left.
    find = (
        f"find / -xdev \\( {named} \\) -not -path '/usr/share/doc/*' -not -path '/var/lib/dpkg/*'"
    )
    run = ("run", "--rm", *HARDENED, "--network=none", "--entrypoint=sh", image(name), "-c")
    done = docker(*run, find, check=False)
    assert done.returncode in {0, 1}  # 1: some folders are root's alone
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["edge", "cloud", "dashboard"])
def test_an_image_says_what_it_is_made_of(name: str) -> None:
    run = ("run", "--rm", *HARDENED, "--network=none", "--entrypoint=python", image(name))
    read = "print(open('/usr/share/maskgate/sbom.cdx.json').read())"
    bill = json.loads(docker(*run, "-c", read).stdout)
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "maskgate"
    listed = {f"{each['name'].lower()}=={each['version']}" for each in bill["components"]}
    lock = (ROOT / "docker" / "locks" / f"{name}.txt").read_text().splitlines()
    locked = {line.removesuffix(" \\") for line in lock if "==" in line}
    assert {each.replace("_", "-") for each in listed} == locked


def test_the_edge_runs_models_of_ones_own(tmp_path: Path) -> None:
    detector = described(write_boxes(tmp_path), DETECTOR)
    classifier = described(write_means(tmp_path), CLASSIFIER)
    cv2.imwrite(str(tmp_path / "red.png"), standins.picture(standins.RED))
    tmp_path.chmod(0o755)
    run = (
        "run", "--rm", *HARDENED, "--network=none", f"--volume={tmp_path}:/own:ro",
        f"--env=EDGE_DETECTOR=/own/{detector.name}",
        f"--env=EDGE_CLASSIFIER=/own/{classifier.name}",
    )  # fmt: skip
    judged = json.loads(docker(*run, image("edge"), "detect", "/own/red.png", "--json").stdout)
    assert [face["label"] for face in judged["faces"]]
    readers = (
        "from openvino.frontend import FrontEndManager as M;"
        "print(*sorted(M().get_available_front_ends()))"
    )
    said = docker(*run, "--entrypoint=python", image("edge"), "-c", readers).stdout.split()
    assert said == ["ir", "onnx", "tf", "tflite"]


def test_the_cloud_knows_time_zones_that_its_base_lacks() -> None:
    load = "from cloud.settings import Settings; print(Settings().time_zone)"
    zone = docker(
        "run", "--rm", *HARDENED, "--network=none", "--env=PYTHONTZPATH=",
        "--env=CLOUD_TIME_ZONE=America/Sao_Paulo", "--env=CLOUD_REDIS_URL=redis://redis:6379/0",
        "--entrypoint=python", image("cloud"), "-c", load,
    ).stdout.strip()  # fmt: skip
    assert zone == "America/Sao_Paulo"


def test_nothing_of_an_image_can_be_written_by_its_process() -> None:
    find = "find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/dev/*' -print"
    for name in ("edge", "cloud", "dashboard"):
        run = ("run", "--rm", *HARDENED[1:], "--entrypoint=sh", image(name), "-c", find)
        written = set(docker(*run, check=False).stdout.split())
        ours = {each for each in written if each.startswith(("/app", "/opt", "/usr", "/etc"))}
        assert not ours


@pytest.fixture
def network() -> Iterator[str]:
    name = f"maskgate-test-{uuid4().hex[:8]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture
def redis(network: str) -> Iterator[str]:
    container = docker(
        "run", "--detach", f"--network={network}", "--network-alias=redis", REDIS,
        "redis-server", "--appendonly", "yes", "--protected-mode", "no",
    ).stdout.strip()  # fmt: skip
    yield container
    docker("rm", "--force", "--volumes", container)


@pytest.fixture
def api(network: str, redis: str) -> Iterator[str]:
    with running(
        f"--network={network}", "--network-alias=api", "--health-interval=1s",
        "--env=CLOUD_REDIS_URL=redis://redis:6379/0", image("cloud"),
    ) as container:  # fmt: skip
        wait_until(lambda: health(container) == "healthy", "the API is healthy")
        yield container


def _cloud(api: str, *words: str) -> str:
    return docker("exec", api, "python", "-m", "cloud", *words).stdout


def test_the_cloud_serves_and_works(network: str, api: str) -> None:
    assert json.loads(_cloud(api, "gates", "create", "main", "--json"))["id"] == "main"
    with running(
        f"--network={network}", "--health-interval=1s",
        "--env=CLOUD_REDIS_URL=redis://redis:6379/0", image("cloud"), "worker",
    ) as worker:  # fmt: skip
        wait_until(lambda: health(worker) == "healthy", "the worker is healthy")
        docker("stop", "--time=30", worker)
        assert inspected(worker)["State"]["ExitCode"] == 0


ANYBODY = "--user=54321:0"
"""As OpenShift gives it: a user whom no image knows, of group 0."""

ON_IPV6 = ("--sysctl=net.ipv6.conf.all.disable_ipv6=0", "--health-interval=1s")


def test_the_cloud_runs_as_anybody_and_answers_on_ipv6_and_ipv4() -> None:
    with running(ANYBODY, *ON_IPV6, "--env=CLOUD_HOST=::", image("cloud")) as api:
        # Its health is asked on IPv4.
        wait_until(lambda: health(api) == "healthy", "the API is healthy")
        probe = ("exec", api, "python", "/app/probe.py", "http://[::1]:8000/healthz")
        assert docker(*probe, check=False).returncode == 0


def test_a_backup_may_be_written_by_anybody() -> None:
    write = "open('/var/backups/maskgate/of-tonight', 'x')"
    docker(
        *("run", "--rm", *HARDENED, ANYBODY, "--volume=/var/backups/maskgate", "--network=none"),
        *("--entrypoint=python", image("cloud"), "-c", write),
    )


def test_the_dashboard_runs_as_anybody_and_answers_on_ipv6_and_ipv4() -> None:
    listening = "--env=STREAMLIT_SERVER_ADDRESS=::"
    with running(ANYBODY, *ON_IPV6, listening, image("dashboard")) as dashboard:
        wait_until(lambda: health(dashboard) == "healthy", "the dashboard is healthy")
        probe = ("exec", dashboard, "python", "/app/probe.py", "http://[::1]:8501/_stcore/health")
        assert docker(*probe, check=False).returncode == 0


def test_a_bot_without_a_token_says_so_and_ends() -> None:
    done = docker("run", "--rm", *HARDENED, "--network=none", image("cloud"), "bot", check=False)
    assert done.returncode == 2
    assert "CLOUD_TELEGRAM_TOKEN" in done.stderr


def test_the_dashboard_serves(network: str, api: str, tmp_path: Path) -> None:
    text = f"mg_0123456789ab_{'s' * 43}"
    (tmp_path / "dashboard_api_key").write_text(text)
    tmp_path.chmod(0o755)
    with running(
        f"--network={network}", "--health-interval=1s", f"--volume={tmp_path}:/secrets:ro",
        "--env=DASHBOARD_SECRETS_DIR=/secrets", "--env=DASHBOARD_API_URL=http://api:8000",
        image("dashboard"),
    ) as dashboard:  # fmt: skip
        wait_until(lambda: health(dashboard) == "healthy", "the dashboard is healthy")
        load = (
            "import os; from dashboard.settings import load_settings as load;"
            "print(load().api_url, load().api_key)"
        )
        said = docker("exec", dashboard, "python", "-c", load).stdout
        assert "http://api:8000" in said
        assert text not in said
        docker("stop", "--time=20", dashboard)
        assert inspected(dashboard)["State"]["ExitCode"] in {0, 143}


def test_the_edge_judges_with_the_network_off_and_delivers_when_it_is_back(
    network: str, api: str
) -> None:
    _cloud(api, "gates", "create", "main")
    code = json.loads(_cloud(api, "enrolment-codes", "create", "main", "--json"))["code"]
    state, cache = (docker("volume", "create").stdout.strip() for _ in range(2))
    edge = (
        *HARDENED, f"--volume={state}:/var/lib/maskgate", f"--volume={cache}:/var/cache/maskgate",
        f"--volume={CLIP}", "--env=EDGE_SOURCE=/clip.mp4", "--env=EDGE_CLOUD_URL=http://api:8000",
        "--env=EDGE_DRAIN_TIMEOUT_S=2",
    )  # fmt: skip
    try:
        docker("run", "--rm", f"--network={network}", *edge, image("edge"), "enrol", "--code", code)
        away = docker("run", "--rm", "--network=none", *edge, image("edge"), check=False)
        assert away.returncode == 3, away.stderr
        ended = _last_line(away.stderr)
        assert (ended["event"], ended["verdicts"], ended["undelivered"]) == ("run_ended", 2, 2)
        assert "/v1/events" not in docker("logs", api).stderr
        back = docker(
            "run", "--rm", f"--network={network}", *edge, "--env=EDGE_VOTES=1000",
            "--env=EDGE_DRAIN_TIMEOUT_S=60", image("edge"),
        )  # fmt: skip
        ended = _last_line(back.stderr)
        assert (ended["event"], ended["undelivered"]) == ("run_ended", 0)
    finally:
        docker("volume", "rm", state, cache)


def _last_line(log: str) -> dict[str, Any]:
    """Return the last line of a log of which every line is JSON."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]
    return lines[-1]


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ((), "127.0.0.1"),
        ((ANYBODY, ON_IPV6[0], "--env=EDGE_METRICS_HOST=::"), "[::1]"),
    ],
    ids=["as_it_is", "as_anybody_on_ipv6"],
)
def test_the_edge_is_well_while_its_camera_gives_pictures(
    network: str, api: str, options: tuple[str, ...], address: str
) -> None:
    _cloud(api, "gates", "create", "main")
    code = json.loads(_cloud(api, "enrolment-codes", "create", "main", "--json"))["code"]
    with running(
        f"--network={network}", f"--volume={CLIP}", "--health-interval=1s",
        "--env=EDGE_SOURCE=/clip.mp4", "--env=EDGE_LOOP=true",
        "--env=EDGE_CLOUD_URL=http://api:8000", f"--env=EDGE_ENROLMENT_CODE={code}",
        *options, image("edge"),
    ) as edge:  # fmt: skip
        wait_until(lambda: health(edge) == "healthy", "the edge is healthy")
        probe = ("exec", edge, "python", "/app/probe.py", f"http://{address}:9100/metrics")
        assert docker(*probe, check=False).returncode == 0
        docker("stop", "--time=30", edge)
        assert inspected(edge)["State"]["ExitCode"] == 0
