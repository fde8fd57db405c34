"""The workloads of both charts, started for real by Podman, and the story played on them.

`make kube-test` runs this, with the images that `make images` builds, on a machine with Podman;
it needs root. `make test` skips it.
"""

import base64
import copy
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from cloud.client import Client
from cloud.contract import Access, Channel, NewGate, NewSubscriber
from demo.clip import BUNDLED
from demo.scenario import run_scenario
from tests.charts.rendering import CLOUD, EDGE, Manifest, rendered
from tests.deploy.kube_node import GATEWAY, Node, Pod, podman, until
from tests.doubles.bot_api import BotApiDouble

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

IMAGES = ("maskgate/cloud", "maskgate/dashboard", "maskgate/edge", "redis")
VISITOR = "4711"


def _missing() -> str | None:
    if shutil.which("podman") is None:
        return "there is no podman on this machine"
    if os.geteuid() != 0:
        return "volumes are handed over to the pods' groups, which takes root"
    told = podman("images", "--format", "{{.Repository}}", check=False)
    known = set(told.stdout.split())
    missing = [image for image in IMAGES if f"localhost/{image}" not in known]
    if missing:
        return f"podman has no image {', '.join(missing)}; `make kube-test` loads what is built"
    return None


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    if os.environ.get("MASKGATE_ENGINE") != "required":
        pytest.skip(
            "it takes minutes and changes this machine's networks: `make kube-test` runs it"
        )
    missing = _missing()
    if missing is not None:
        pytest.fail(missing)


@pytest.fixture(scope="module")
def bot_api(engine: None) -> Iterator[BotApiDouble]:
    with BotApiDouble(host="0.0.0.0") as double:
        yield double


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, bot_api: BotApiDouble) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("node")
    folder.chmod(0o755)
    clips = folder / "clips"
    clips.mkdir()
    shutil.copy(BUNDLED, clips / "clip.mp4")
    clips.chmod(0o755)
    port = urlsplit(bot_api.url).port
    # Images of Redis differ in whom it runs as.
    asked = ("run", "--rm", "--network", "none", "localhost/redis:7-bookworm", "id", "-u", "redis")
    redis_user = int(podman(*asked).stdout)
    # As operators bring what the values have no name for.
    brought = {
        "extraEnv": [
            {"name": "SITE", "valueFrom": {"secretKeyRef": {"name": "site", "key": "name"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "extraEnvFrom": [{"secretRef": {"name": "site"}, "prefix": "SITE_"}],
    }
    cloud = {
        "image": {"registry": "localhost"},
        "bindAddress": "::",
        "gates": {"main": "Main entrance", "back": "Back door"},
        "settings": {"CLOUD_TELEGRAM_API_URL": f"http://{GATEWAY}:{port}/bot"},
        "telegram": {"existingSecret": "telegram"},
        "api": {"replicas": 1, **brought},
        "worker": {"replicas": 1},
        "dashboard": {"image": {"registry": "localhost"}},
        "redis": {"bundled": {"image": {"registry": "localhost"}, "runAsUser": redis_user}},
        "backup": {"enabled": True},
    }
    door = {
        "image": {"registry": "localhost"},
        "bindAddress": "::",
        "cloud": {"url": "http://mg-maskgate-api:8000"},
        "doors": {
            "front": {
                "nodeSelector": {"maskgate.io/door": "front"},
                "camera": {"kind": "file", "path": "/media/clip.mp4", "claim": "clips"},
                "enrolment": {"existingSecret": "door-front"},
                "settings": {"EDGE_LOOP": True, "EDGE_HEARTBEAT_S": 2},
                **brought,
            }
        },
        "state": {"kind": "hostPath", "hostPath": {"path": str(folder / "doors")}},
    }
    (folder / "doors").mkdir()
    (folder / "doors").chmod(0o755)
    by_hand: dict[str, dict[str, str]] = {
        "telegram": {"telegram-token": bot_api.token},
        "site": {"name": "Harbour"},
    }
    objects: list[Manifest] = [*rendered(CLOUD, cloud), *rendered(EDGE, door)]
    with Node(folder, objects, by_hand, {"clips": clips}) as started:
        yield started


@pytest.fixture(scope="module")
def redis(node: Node) -> Pod:
    pod = node.play("StatefulSet", "redis")
    pod.wait("startupProbe")
    pod.wait()
    return pod


@pytest.fixture(scope="module")
def api(node: Node, redis: Pod) -> Pod:
    return node.play("Deployment", "api")


@pytest.fixture(scope="module")
def worker(node: Node, redis: Pod) -> Pod:
    return node.play("Deployment", "worker")


@pytest.fixture(scope="module")
def cloud_up(node: Node, api: Pod, worker: Pod) -> Pod:
    for pod in (api, worker, node.play("Deployment", "dashboard"), node.play("Deployment", "bot")):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            seconds = pod.wait(probe)
            print(f"{pod.name}: {probe} answered after {seconds:.1f} s")
    return api


def _key(api: Pod, name: str, role: str, *more: str) -> str:
    told = api.exec(
        *("python", "-m", "cloud", "keys", "create", name, "--role", role, "--json", *more),
    )
    assert told.returncode == 0, told.stderr
    return str(json.loads(told.stdout)["key"])


@pytest.fixture(scope="module")
def operator(cloud_up: Pod) -> Iterator[Client]:
    key = _key(cloud_up, "Front desk", "operator")
    with Client(f"http://{cloud_up.address}:8000", key, timeout_s=20) as client:
        yield client


def test_pods_run_as_nobody_and_may_do_nothing(cloud_up: Pod) -> None:
    for line, value in (("CapEff", "0000000000000000"), ("NoNewPrivs", "1"), ("Seccomp", "2")):
        status = cloud_up.exec("python", "-c", "print(open('/proc/1/status').read())").stdout
        assert f"{line}:\t{value}" in status
    assert "Uid:\t10001" in status
    written = cloud_up.exec("python", "-c", "open('/app/x', 'w')")
    assert "Read-only file system" in written.stderr
    memory = cloud_up.inspected()["HostConfig"]["Memory"]
    assert memory == 512 * 2**20


def _variables(pod: Pod) -> dict[str, str]:
    told = pod.exec("python", "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    found: dict[str, str] = json.loads(told.stdout)
    return found


def test_each_process_answers_on_ipv6_as_on_ipv4(cloud_up: Pod, node: Node) -> None:
    for name, address in (
        ("api", "http://[::1]:8000/healthz"),
        ("worker", "http://[::1]:9100/metrics"),
        ("bot", "http://[::1]:9100/metrics"),
        ("dashboard", "http://[::1]:8501/_stcore/health"),
    ):
        pod = node.pod(name)
        assert pod.answers("livenessProbe")  # from the node, on IPv4
        told = pod.exec("python", "/app/probe.py", address)
        assert told.returncode == 0, told.stderr


def test_variables_come_from_secrets_and_fields(cloud_up: Pod) -> None:
    variables = _variables(cloud_up)
    assert variables["SITE"] == variables["SITE_name"] == "Harbour"
    assert variables["POD"] == cloud_up.name


@pytest.fixture(scope="module")
def set_up(node: Node, cloud_up: Pod) -> None:
    for _ in range(2):  # an upgrade does it again
        job = node.play("Job", "setup")
        assert job.exit_code() == 0, job.log()
        podman("pod", "rm", "--force", job.name)


def test_gates_and_the_dashboards_key_are_set_up(cloud_up: Pod, set_up: None) -> None:
    gates = cloud_up.exec("python", "-m", "cloud", "gates", "list", "--json")
    assert {gate["id"] for gate in json.loads(gates.stdout)} == {"back", "main"}
    keys = json.loads(cloud_up.exec("python", "-m", "cloud", "keys", "list", "--json").stdout)
    assert [key["role"] for key in keys if key["name"] == "Dashboard"] == ["operator"]


def test_what_helm_test_runs_passes(node: Node, cloud_up: Pod) -> None:
    rehearsal = node.play("Pod", "rehearsal")
    assert rehearsal.exit_code() == 0, rehearsal.log()
    assert "enter once" in rehearsal.log()


@pytest.fixture(scope="module")
def door(node: Node, cloud_up: Pod, set_up: None, operator: Client) -> Pod:
    """A door that was there before the cloud: it waits for it, and enrols."""
    code = cloud_up.exec(*("python", "-m", "cloud", "enrolment-codes", "create", "main", "--json"))
    assert isinstance(node.secrets, dict)
    node.secrets["door-front"] = {"enrolment-code": json.loads(code.stdout)["code"]}
    subscriber = NewSubscriber(channel=Channel.TELEGRAM, address=VISITOR)
    operator.create_subscriber("main", subscriber)
    cloud_up.stop()
    pod = node.play("DaemonSet", "front")
    cloud_up.start()
    cloud_up.wait()
    pod.wait("startupProbe", timeout_s=300)
    return pod


def test_a_door_answers_on_ipv6_and_has_the_variables_that_were_brought(door: Pod) -> None:
    told = door.exec("python", "/app/probe.py", "http://[::1]:9100/metrics")
    assert told.returncode == 0, told.stderr
    variables = _variables(door)
    assert variables["SITE"] == variables["SITE_name"] == "Harbour"
    assert variables["POD"] == door.name


def test_a_person_is_refused_then_admitted_and_gets_a_code_that_opens_once(
    door: Pod, operator: Client, cloud_up: Pod, bot_api: BotApiDouble
) -> None:
    door.wait()
    until(
        lambda: {event.access for event in operator.iter_events()} == set(Access),
        "one person refused and one admitted",
        timeout_s=180,
    )
    key = _key(cloud_up, "Turnstile", "scanner", "--gate", "main")
    with Client(operator.url, key, timeout_s=20) as scanner:
        story = run_scenario(operator, scanner)
    assert story.refused >= 1
    assert story.granted >= 1
    until(lambda: bool(bot_api.photos), "a code in Telegram")
    assert bot_api.photos[0].chat_id == VISITOR


def test_a_door_lives_while_the_cloud_is_away_and_delivers_what_it_decided(
    door: Pod, operator: Client, cloud_up: Pod
) -> None:
    before = {event.id for event in operator.iter_events()}
    cloud_up.stop()
    online = "maskgate_edge_online=0"
    probe = ("python", "/app/probe.py", "http://127.0.0.1:9100/metrics")
    until(lambda: door.exec(*probe, online).returncode == 0, "the door notices")
    until(lambda: _outbox_depth(door) >= 2, "the door goes on deciding and queues", timeout_s=180)
    assert door.answers("livenessProbe")
    assert door.answers("readinessProbe")
    waiting = _outbox_depth(door)
    cloud_up.start()
    cloud_up.wait()
    until(lambda: _outbox_depth(door) == 0, "the outbox is emptied", timeout_s=180)
    assert len({event.id for event in operator.iter_events()} - before) >= waiting


def _outbox_depth(door: Pod) -> int:
    metrics = httpx.get(f"http://{door.address}:9100/metrics", timeout=10).text
    (line,) = [
        each for each in metrics.splitlines() if each.startswith("maskgate_edge_outbox_depth ")
    ]
    return int(float(line.split()[1]))


def test_a_door_that_is_enrolled_starts_without_the_cloud_and_without_its_code(
    door: Pod, cloud_up: Pod
) -> None:
    door.stop()
    cloud_up.stop()
    door.start()
    door.wait("startupProbe", timeout_s=300)
    door.wait()
    cloud_up.start()
    cloud_up.wait()


def test_a_killed_redis_has_everything_when_it_is_back(
    redis: Pod, cloud_up: Pod, operator: Client, node: Node
) -> None:
    known = {event.id for event in operator.iter_events()}
    podman("kill", f"{redis.name}-redis")
    until(lambda: not cloud_up.answers("readinessProbe"), "the API says that it is not ready")
    assert cloud_up.answers("livenessProbe")
    redis.start()
    redis.wait()
    cloud_up.wait()
    assert known <= {event.id for event in operator.iter_events()}


def _job_from_the_cron_job(node: Node, name: str, *arguments: str) -> Pod:
    """As docs/kubernetes.md has it: `kubectl create job --from=cronjob/…-backup`."""
    (cron,) = [each for each in node.objects if each["kind"] == "CronJob"]
    spec = copy.deepcopy(cron["spec"]["jobTemplate"]["spec"])
    if arguments:
        spec["template"]["spec"]["containers"][0]["args"] = list(arguments)
    node.objects.append({"kind": "Job", "metadata": {"name": f"mg-{name}"}, "spec": spec})
    return node.play("Job", name)


def test_a_backup_is_written_and_brought_back(
    node: Node, cloud_up: Pod, worker: Pod, operator: Client
) -> None:
    tonight = _job_from_the_cron_job(node, "tonight")
    assert tonight.exit_code() == 0, tonight.log()
    (written,) = (node.folder / "volumes" / "mg-maskgate-backups").glob("maskgate-*.backup")
    assert written.stat().st_size > 100
    assert written.stat().st_mode & 0o077 == 0

    kept = {gate.id for gate in operator.list_gates()}
    operator.create_gate(NewGate(id="of-later", name="Made after the backup"))
    for pod in (cloud_up, worker):
        pod.stop()
    restore = _job_from_the_cron_job(
        node, "restore", "restore", f"/backups/{written.name}", "--force"
    )
    assert restore.exit_code() == 0, restore.log()
    for pod in (cloud_up, worker):
        pod.start()
        pod.wait()
    assert {gate.id for gate in operator.list_gates()} == kept


def test_the_password_of_redis_is_changed_as_the_docs_have_it(
    node: Node, redis: Pod, cloud_up: Pod, operator: Client
) -> None:
    new = secrets.token_hex(24)
    changed = redis.exec(
        *("sh", "-c"),
        f'REDISCLI_AUTH="$(cat /run/secrets/password)" redis-cli CONFIG SET requirepass {new}',
    )
    assert changed.stdout.strip() == "OK", changed.stderr
    (secret,) = [
        each
        for each in node.objects
        if each["kind"] == "Secret" and each["metadata"]["name"] == redis.name
    ]
    texts = {"redis-password": new, "redis-url": f"redis://:{new}@{redis.name}:6379/0"}
    secret["data"] = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    # `kubectl rollout restart deploy sts`
    for pod in (redis, cloud_up):
        podman("pod", "rm", "--force", "--time", "30", pod.name)
    node.play("StatefulSet", "redis").wait()
    node.play("Deployment", "api").wait()
    assert operator.list_gates().items


def test_a_new_token_of_telegram_is_taken_up_by_a_restart(
    node: Node, cloud_up: Pod, bot_api: BotApiDouble
) -> None:
    new = "123456:the-token-after-a-leak"
    assert isinstance(node.secrets, dict)
    node.secrets["telegram"] = {"telegram-token": new}
    bot_api.token = new
    bot_api.calls.clear()
    # `kubectl rollout restart deploy`
    podman("pod", "rm", "--force", "--time", "30", node.pod("bot").name)
    assert "getUpdates" not in bot_api.calls
    node.play("Deployment", "bot").wait()
    bot_api.wait_for_calls("getUpdates", timeout_s=90)
