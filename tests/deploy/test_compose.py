"""The whole story with Compose, from nothing up to nothing left, with each service killed in turn.

Prints one line of JSON at the end: seconds until everything was well, and what was lost: nothing.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uuid_utils
from aiosmtpd.controller import Controller

from cloud.client import ApiUnreachable, Client, Unavailable
from cloud.contract import (
    Access,
    Channel,
    Decision,
    EnrolmentRequest,
    Event,
    GateChange,
    Label,
    NewKey,
    NewSubscriber,
    Role,
)
from demo.scenario import decode, run_scenario
from tests.cloud.notify.test_mail import Mailbox
from tests.deploy.engine import ROOT, docker, health, inspected, wait_until
from tests.doubles.bot_api import TOKEN, BotApiDouble
from tests.doubles.redis_server import free_port

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.timeout(900)]

CHAT = 7
PASSWORD = """a "quo'ted" #/@:%\\ word"""
"""Of Redis: all that a configuration file, a shell and an address could take for something else."""
SERVICES = ("redis", "api", "worker", "bot", "dashboard", "edge")


@dataclass
class Installation:
    """What `make up` started, under a name and at ports of its own."""

    environment: dict[str, str]
    bot_api: BotApiDouble
    mailbox: Mailbox
    figures: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def compose(self, *words: str, check: bool = True) -> str:
        """Run docker/compose.sh; return what it printed."""
        done = subprocess.run(
            [str(ROOT / "docker" / "compose.sh"), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert not (check and done.returncode), f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def container(self, service: str) -> str:
        """Return the id of a service's container."""
        name = self.environment["COMPOSE_PROJECT_NAME"]
        found = docker(
            "ps", "--all", "--quiet",
            f"--filter=label=com.docker.compose.project={name}",
            f"--filter=label=com.docker.compose.service={service}",
            "--filter=label=com.docker.compose.oneoff=False",
        ).stdout.split()  # fmt: skip
        assert len(found) == 1, f"{service}: {found}"
        return found[0]

    def ids(self) -> dict[str, str]:
        """Return the id of each service's container."""
        name = self.environment["COMPOSE_PROJECT_NAME"]
        listed = docker(
            "ps", "--all", "--no-trunc",
            '--format={{.Label "com.docker.compose.service"}} {{.ID}}',
            f"--filter=label=com.docker.compose.project={name}",
            "--filter=label=com.docker.compose.oneoff=False",
        ).stdout  # fmt: skip
        return dict(line.split() for line in listed.splitlines())

    def sees(self, service: str, secret: str) -> str:
        """Return a secret as the service's container has it."""
        done = subprocess.run(
            ["docker", "exec", self.container(service), "cat", f"/run/secrets/{secret}"],
            capture_output=True,
            timeout=60,
            check=True,
        )
        return done.stdout.decode()

    def kill(self, service: str) -> None:
        """End a service as a crash does."""
        docker("kill", "--signal=KILL", self.container(service))

    def start(self, service: str) -> None:
        """Start what was killed, and wait until it is well."""
        docker("start", self.container(service))
        wait_until(lambda: health(self.container(service)) == "healthy", f"{service} is healthy")

    def api(self, key: str) -> Client:
        """A client with a key."""
        return Client(f"http://127.0.0.1:{self.environment['MASKGATE_API_PORT']}", key)


@pytest.fixture(scope="module")
def installation(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Everything up, from nothing."""
    with ExitStack() as ends:
        bot_api = ends.enter_context(BotApiDouble(host="0.0.0.0"))
        mailbox = Mailbox()
        mail = Controller(mailbox, hostname="0.0.0.0", port=free_port())
        mail.start()
        ends.callback(mail.stop)
        folder = tmp_path_factory.mktemp("compose")
        environment = {
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME", "DOCKER_CONFIG", "MASKGATE_VERSION")
                if name in os.environ
            },
            "COMPOSE_PROJECT_NAME": f"maskgate-test-{uuid4().hex[:8]}",
            "MASKGATE_SECRETS": str(folder / "secrets"),
            "MASKGATE_API_PORT": str(free_port()),
            "MASKGATE_DASHBOARD_PORT": str(free_port()),
            "MASKGATE_TELEGRAM_API_URL": f"http://doubles:{bot_api.port}/bot",
            "MASKGATE_SMTP_HOST": "doubles",
            "MASKGATE_SMTP_PORT": str(mail.port),
            "MASKGATE_SMTP_SECURITY": "none",
            "MASKGATE_COMPOSE_FILES": str(ROOT / "tests" / "deploy" / "compose.doubles.yaml"),
        }
        secrets = Path(environment["MASKGATE_SECRETS"])
        secrets.mkdir()
        (secrets / "cloud_telegram_token").write_text(TOKEN)
        here = Installation(environment, bot_api, mailbox)
        ends.callback(_taken_down, here)
        began = time.monotonic()
        print(here.compose("up"))
        here.figures["seconds_to_ready"] = round(time.monotonic() - began, 1)
        yield here
        print(json.dumps(here.figures))


def _taken_down(here: Installation) -> None:
    here.compose("logs", "--no-color", "--tail", "30", check=False)
    here.compose("down", "--volumes", check=False)


@pytest.fixture(scope="module")
def keys(installation: Installation) -> dict[str, str]:
    """Keys for an admin, a scanner and a device, and people who are told of the gate."""
    made = installation.compose("cloud", "keys", "create", "Ana", "--role", "admin", "--json")
    admin = str(json.loads(made)["key"])
    with installation.api(admin) as api:
        for channel, address in (
            (Channel.TELEGRAM, str(CHAT)),
            (Channel.EMAIL, "guard@example.org"),
        ):
            api.create_subscriber("main", NewSubscriber(channel=channel, address=address))
        scanner = api.create_key(NewKey(name="Door", role=Role.SCANNER, gate="main"))
        code = api.create_enrolment_code("main")
        device = api.enrol_device(EnrolmentRequest(code=code.code, name="hand"))
    return {"admin": admin, "scanner": scanner.key, "device": device.device_key}


def _event(label: Label) -> Event:
    now = datetime.now(UTC)
    return Event(
        id=UUID(bytes=uuid_utils.uuid7().bytes),
        label=label,
        confidence=0.9,
        votes=5,
        first_seen_at=now - timedelta(seconds=1),
        occurred_at=now,
        models={"detector": "a" * 64, "classifier": "b" * 64},
    )


def _posted(installation: Installation, device: str, event: Event) -> Decision | None:
    """Post an event; None where the API is away, or its store."""
    with installation.api(device) as api:
        try:
            return api.post_event(event)
        except (ApiUnreachable, Unavailable):
            return None


def _is_ready(api: Client) -> bool:
    try:
        return api.readyz() != ""
    except (ApiUnreachable, Unavailable):
        return False


def _accepted(installation: Installation, device: str, event: Event) -> Decision:
    """Post an event as an edge does: again and again until it is acknowledged."""
    decisions: list[Decision] = []

    def acknowledged() -> bool:
        decision = _posted(installation, device, event)
        decisions.extend([decision] if decision else [])
        return decision is not None

    wait_until(acknowledged, "the event is accepted")
    return decisions[-1]


def test_all_is_hardened_and_nothing_secret_is_in_an_environment(
    installation: Installation,
) -> None:
    secrets = [
        text
        for file in Path(installation.environment["MASKGATE_SECRETS"]).iterdir()
        if (text := file.read_text())
    ]
    for service in ("redis", "api", "worker", "bot", "dashboard", "backup"):
        found = inspected(installation.container(service))
        assert found["HostConfig"]["ReadonlyRootfs"], service
        assert found["HostConfig"]["CapDrop"] == ["ALL"], service
        assert found["HostConfig"]["Memory"] > 0, service
        assert found["HostConfig"]["PidsLimit"] > 0, service
        assert found["HostConfig"]["NanoCpus"] > 0, service
        assert found["Config"]["User"] not in {"", "root", "0"}, service
        said = json.dumps([found["Config"]["Env"], found["Config"]["Cmd"], found["Args"]])
        assert not [secret for secret in secrets if secret in said], service
        running = docker("top", installation.container(service), "-o", "pid,args").stdout
        assert not [secret for secret in secrets if secret in running], service


def test_a_changed_secret_is_seen_by_every_service_that_has_it_and_by_no_other(
    installation: Installation, keys: dict[str, str]
) -> None:
    secrets = Path(installation.environment["MASKGATE_SECRETS"])
    before = installation.ids()
    # As an editor does that writes a new file and puts it in the old one's place.
    (secrets / "new").write_text("another password\r\n")
    (secrets / "new").replace(secrets / "cloud_smtp_password")
    installation.compose("up")
    after = installation.ids()
    assert {service for service in after if after[service] != before[service]} == {"worker"}
    assert installation.sees("worker", "cloud_smtp_password") == "another password\r\n"

    (secrets / "redis_password").write_text(f"{PASSWORD}\n")
    installation.compose("up")
    assert installation.sees("redis", "redis_password") == f"{PASSWORD}\n"
    addresses = {
        installation.sees(service, "cloud_redis_url")
        for service in ("api", "worker", "bot", "backup")
    }
    assert addresses == {(secrets / "cloud_redis_url").read_text()}
    changed = {service for service, each in installation.ids().items() if each != after[service]}
    assert changed >= {"redis", "api", "worker", "bot", "backup"}
    assert "dashboard" not in changed
    with installation.api(keys["admin"]) as api:
        assert [gate.id for gate in api.list_gates()] == ["main"]


def test_the_restore_of_the_page_can_be_typed(
    installation: Installation, keys: dict[str, str], tmp_path: Path
) -> None:
    """Each command of the page's first block about Compose, as it stands there."""
    page = (ROOT / "docs" / "operate.md").read_text()
    section = page.partition("### With Compose")[2].partition("\n##")[0]
    commands = [
        line.split("   #")[0].strip() for line in section.splitlines() if line.startswith("    ")
    ]
    assert [command for command in commands if "restore" in command]
    with installation.api(keys["admin"]) as api:
        api.change_gate("main", GateChange(name="Before"))
        for command in commands:
            if "stop" in command:
                api.change_gate("main", GateChange(name="After"))
            done = subprocess.run(
                command.replace("docker/compose.sh", str(ROOT / "docker" / "compose.sh")).replace(
                    "make up", str(ROOT / "docker" / "compose.sh") + " up"
                ),
                shell=True,
                cwd=tmp_path,
                env=installation.environment,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        assert [gate.name for gate in api.list_gates()] == ["Before"]
    assert (tmp_path / "before.backup").stat().st_mode & 0o077 == 0


def test_a_taken_port_is_named_and_nothing_is_started(installation: Installation) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = str(held.getsockname()[1])
        name = f"{installation.environment['COMPOSE_PROJECT_NAME']}-2"
        done = subprocess.run(
            [str(ROOT / "docker" / "compose.sh"), "up"],
            env={
                **installation.environment,
                "COMPOSE_PROJECT_NAME": name,
                "MASKGATE_API_PORT": port,
                "MASKGATE_DASHBOARD_PORT": str(free_port()),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port}, for api, is taken" in done.stderr
    assert "MASKGATE_API_PORT" in done.stderr
    label = f"--filter=label=com.docker.compose.project={name}"
    assert not docker("ps", "--all", "--quiet", label).stdout
    assert not docker("network", "ls", "--quiet", label).stdout


def test_up_once_more_changes_nothing(installation: Installation, keys: dict[str, str]) -> None:
    before = installation.container("api")
    assert "The dashboard:" in installation.compose("up")
    assert installation.container("api") == before
    with installation.api(keys["admin"]) as api:
        assert [gate.id for gate in api.list_gates()] == ["main"]


def test_the_story_from_the_camera_to_the_door(
    installation: Installation, keys: dict[str, str]
) -> None:
    began = time.monotonic()
    volumes = set(docker("volume", "ls", "--quiet").stdout.split())
    installation.compose("edge")
    new = set(docker("volume", "ls", "--quiet").stdout.split()) - volumes
    assert not [volume for volume in new if not volume.startswith("maskgate")], "anonymous ones"
    with installation.api(keys["admin"]) as api, installation.api(keys["scanner"]) as scanner:
        wait_until(
            lambda: {event.access for event in api.iter_events()} == set(Access),
            "one was refused and one was granted",
        )
        story = run_scenario(api, scanner)
    photos = installation.bot_api.wait_for_photos(1)
    assert photos[0].chat_id == str(CHAT)
    assert decode(photos[0].photo)
    installation.bot_api.wait_for_messages(1)
    wait_until(lambda: bool(installation.mailbox.mails), "a mail about the refusal")
    assert isinstance(installation.mailbox.mails[0], EmailMessage)
    installation.figures["story"] = {
        "refused": story.refused >= 1,
        "granted": story.granted >= 1,
        "redeemed": story.redeemed.value,
        "redeemed_again": story.redeemed_again.value,
        "seconds_from_face_to_qr": story.seconds_from_face_to_qr,
        "seconds_with_enrolment": round(time.monotonic() - began, 1),
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_killed_and_nothing_is_lost(
    installation: Installation, keys: dict[str, str], service: str
) -> None:
    began = time.monotonic()
    before = _accepted(installation, keys["device"], _event(Label.WITH_MASK))
    photos = len(installation.bot_api.photos)
    installation.kill(service)
    meanwhile = _event(Label.WITH_MASK)
    if service in {"redis", "api"}:
        # An edge keeps what is not acknowledged, and sends it again; so does this one, below.
        assert _posted(installation, keys["device"], meanwhile) is None
    else:
        _accepted(installation, keys["device"], meanwhile)
    if service == "bot":
        installation.bot_api.receive(CHAT, "/status")
    answered = len(installation.bot_api.messages)
    installation.start(service)
    assert _accepted(installation, keys["device"], meanwhile).access is Access.GRANTED
    with installation.api(keys["admin"]) as api:
        wait_until(lambda: _is_ready(api), "the API is ready")
        kept = {str(event.id) for event in api.iter_events()}
        assert {str(before.event_id), str(meanwhile.id)} <= kept
        assert kept >= set(installation.figures.setdefault("events", []))
        installation.figures["events"] = sorted(kept)
        # Its pass was drawn and sent, whoever was killed meanwhile.
        assert api.get_event(meanwhile.id).pass_record is not None
    installation.bot_api.wait_for_photos(photos + 1, 90)
    if service == "bot":
        installation.bot_api.wait_for_messages(answered + 1, 90)
    if service == "dashboard":
        port = installation.environment["MASKGATE_DASHBOARD_PORT"]
        page = httpx.get(f"http://127.0.0.1:{port}/", timeout=10)
        assert "<title>" in page.text
    installation.figures.setdefault("killed", {})[service] = round(time.monotonic() - began, 1)


def test_a_door_cut_off_and_killed_delivers_what_it_saw(
    installation: Installation, keys: dict[str, str]
) -> None:
    depth = ("python", "/app/probe.py", "http://127.0.0.1:9100/metrics")
    edge = installation.container("edge")
    installation.kill("api")
    cut_off = datetime.now(UTC)
    wait_until(
        lambda: (
            docker("exec", edge, *depth, "maskgate_edge_outbox_depth=0", check=False).returncode
            != 0
        ),
        "an event waits in the outbox",
    )
    installation.kill("edge")
    killed = datetime.now(UTC)
    installation.start("api")
    docker("start", edge)
    with installation.api(keys["admin"]) as api:

        def delivered() -> bool:
            return any(cut_off < event.occurred_at < killed for event in api.list_events(limit=100))

        wait_until(delivered, "the event of the time without a cloud")
    installation.figures["outbox_survived"] = True


def test_down_leaves_nothing_but_what_was_asked_for(installation: Installation) -> None:
    name = installation.environment["COMPOSE_PROJECT_NAME"]
    label = f"--filter=label=com.docker.compose.project={name}"
    volumes = set(docker("volume", "ls", "--quiet", label).stdout.split())
    said = installation.compose("down")
    assert "edge" in said.split("Taken down:")[1].splitlines()[0]
    assert not docker("ps", "--all", "--quiet", label).stdout
    assert set(docker("volume", "ls", "--quiet", label).stdout.split()) == volumes != set()
    assert "The camera:     watches gate main again" in installation.compose("up")
    assert health(installation.container("edge")) == "healthy"
    secrets = Path(installation.environment["MASKGATE_SECRETS"])
    (secrets / "cloud_telegram_token").write_text("\n")
    installation.compose("up")
    assert "bot" not in installation.ids()
    installation.compose("down", "--volumes")
    assert not docker("ps", "--all", "--quiet", label).stdout
    assert not docker("volume", "ls", "--quiet", label).stdout
    assert not docker("network", "ls", "--quiet", label).stdout
    installation.figures["events"] = len(installation.figures["events"])
