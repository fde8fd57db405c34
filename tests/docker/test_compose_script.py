"""What docker/compose.sh refuses, makes, says and hands to Compose, before anything is started.

The engine and Compose here are doubles that note what they were told. What real ones make of it is
tests/deploy/test_compose.py's.
"""

import fcntl
import os
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.doubles.redis_server import free_port

ROOT = Path(__file__).parents[2]
BASE = ROOT / "docker" / "compose.yaml"
FILES = [BASE, *sorted((ROOT / "docker").glob("compose.?*.yaml"))]

DOCKER = r"""#!/bin/bash
# A container is a file in containers, which holds its state.
folder=${0%/*/*} name=${0##*/}
if [ "$1" = compose ]; then shift; name=docker-compose; fi
case $name:$1 in
docker-compose:version) cat "$folder/compose-version" && exit ;;
docker-compose:*)
  (IFS=$'\t'; echo "$*") >>"$folder/calls"
  case " $* " in
  *" up "*)
    env -0 >"$folder/environment"
    if [ -e "$folder/fails" ]; then echo "port is already allocated" >&2; exit 1; fi
    became=healthy
    if [ -e "$folder/unwell" ]; then became=unhealthy; fi
    case $* in
    *\ redis | *\ edge) services=${*: -1} ;;
    *) services="redis api worker dashboard backup caddy" ;;
    esac
    case $* in *telegram*) services+=" bot" ;; esac
    for each in $services; do echo "$became" >"$folder/containers/$each"; done
    ;;
  *" down "*) rm -f "$folder"/containers/* ;;
  *" rm "*) rm -f "$folder/containers/${*: -1}" ;;
  *" run "*) echo "ran once" ;;
  esac
  ;;
docker:version) echo 20.10.24 ;;
docker:info) cat "$folder/processors" ;;
docker:ps)
  if [ "$2" != --all ]; then cat "$folder/ports" && exit; fi
  all=$*
  case $all in
  *service=*) found=("$folder/containers/${all##*service=}") ;;
  *) found=("$folder"/containers/*) ;;
  esac
  for each in "${found[@]}"; do [ ! -e "$each" ] || echo "${each##*/}"; done
  ;;
docker:inspect)
  case $3 in
  *compose.service*) echo "$4" ;;
  *Status*) cat "$folder/containers/$4" ;;
  *) echo 0 ;;
  esac
  ;;
docker:logs) echo "what it said last" ;;
docker:exec) echo '{"code": "made-now"}' ;;
docker:volume) echo kept ;;
esac
"""


class Machine:
    """A checkout of its own, with an engine and a Compose that only note what they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout = folder / "checkout"
        shutil.copytree(ROOT / "docker", self.checkout / "docker")
        shutil.copy(ROOT / "pyproject.toml", self.checkout)
        (self.checkout / "docker" / ".env").unlink(missing_ok=True)
        self.secrets = folder / "secrets"
        self.environment: dict[str, str] = {}
        self._tools = folder / "bin"
        self._tools.mkdir()
        for name in ("docker", "docker-compose"):
            script = self._tools / name
            script.write_text(DOCKER)
            script.chmod(0o755)
        self.says(processors="4 true\n", ports="")
        self.has()
        self.says(**{"compose-version": "1.29.2"})

    def says(self, **what: str) -> None:
        """Have the engine or Compose answer so."""
        for name, text in what.items():
            (self.folder / name).write_text(text)

    def has(self, **containers: str) -> None:
        """Have these containers, by service and state."""
        shutil.rmtree(self.folder / "containers", ignore_errors=True)
        (self.folder / "containers").mkdir()
        for service, state in containers.items():
            (self.folder / "containers" / service).write_text(f"{state}\n")

    def settings(self, text: str) -> None:
        """Write docker/.env."""
        (self.checkout / "docker" / ".env").write_text(text)

    def secret(self, name: str, text: str) -> None:
        """Write a secret, as an editor does that replaces the file."""
        self.secrets.mkdir(exist_ok=True)
        (self.secrets / name).unlink(missing_ok=True)
        (self.secrets / name).write_bytes(text.encode())

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "USER") if name in os.environ}
        return subprocess.run(
            [str(self.checkout / "docker" / "compose.sh"), *words],
            cwd=cwd or self.folder,
            env={
                **kept,
                "PATH": os.pathsep.join([str(self._tools), os.environ["PATH"]]),
                "MASKGATE_SECRETS": str(self.secrets),
                "MASKGATE_API_PORT": str(free_port()),
                "MASKGATE_DASHBOARD_PORT": str(free_port()),
                **self.environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ran(self, *words: str) -> str:
        """Run what has to go well; return all that it printed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def refused(self, *words: str) -> str:
        """Run what has to be refused before anything is started; return why."""
        done = self.run(*words)
        assert done.returncode == 1, done.stdout + done.stderr
        assert not [words for words in self.calls() if "up" in words]
        return done.stderr

    def calls(self) -> list[list[str]]:
        """Return what Compose was told, each time."""
        noted = self.folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        return [line.split("\t") for line in lines]

    def up(self) -> list[str]:
        """Return the words by which something was started last."""
        return [words for words in self.calls() if "up" in words][-1]

    def given(self) -> dict[str, str]:
        """Return the environment that Compose was given with these words."""
        pairs = (self.folder / "environment").read_text().rstrip("\0").split("\0")
        return dict(pair.split("=", 1) for pair in pairs)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this machine at which something listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield int(held.getsockname()[1])


def _services() -> dict[str, dict[str, Any]]:
    """Return each service with the secrets and labels of all files that are about it."""
    services: dict[str, dict[str, Any]] = {}
    for file in FILES:
        for name, said in yaml.safe_load(file.read_text())["services"].items():
            known = services.setdefault(name, {"secrets": set(), "labels": {}})
            known["secrets"] |= set(said.get("secrets", []))
            known["labels"] |= said.get("labels", {})
            known["cpus"] = said.get("cpus", known.get("cpus"))
    return services


@pytest.mark.parametrize("service", sorted(_services()))
def test_a_service_has_a_digest_of_each_of_its_secrets_in_a_label(service: str) -> None:
    said = _services()[service]
    digests = re.findall(r"MASKGATE_DIGEST_(\w+)", said["labels"]["maskgate.secrets"])
    assert {digest.lower() for digest in digests} - {"caddyfile"} == said["secrets"] != set()


def test_each_service_has_a_limit_of_processors_that_a_small_machine_has(machine: Machine) -> None:
    machine.says(processors="1 true\n")
    machine.ran("up")
    for service, said in _services().items():
        name = f"MASKGATE_{service.replace('-', '').upper()}_CPUS"
        assert 0 < float(said["cpus"].removeprefix(f"${{{name}:-").removesuffix("}")) <= 1
        assert 0 < float(machine.given()[name]) <= 1


def test_no_limit_is_above_what_the_machine_has(machine: Machine) -> None:
    machine.settings("MASKGATE_API_CPUS=16\nMASKGATE_WORKER_CPUS=0.25\n")
    said = machine.ran("up")
    set_to = machine.given()
    assert (set_to["MASKGATE_API_CPUS"], set_to["MASKGATE_WORKER_CPUS"]) == ("4", "0.25")
    assert "MASKGATE_API_CPUS is 16, and this machine has 4" in said
    assert set_to["MASKGATE_EDGE_CPUS"] == "3"
    machine.says(processors="4 false\n")
    assert "cannot limit processors" in machine.ran("up")
    assert machine.given()["MASKGATE_API_CPUS"] == "0"
    machine.settings("MASKGATE_API_CPUS=many\n")
    assert "MASKGATE_API_CPUS is many" in machine.run("up").stderr


def test_a_changed_secret_has_another_digest_and_no_other_has(machine: Machine) -> None:
    machine.ran("up")
    before = _digests(machine)
    machine.ran("up")
    assert _digests(machine) == before
    machine.secret("cloud_telegram_token", "123:abc")
    machine.ran("up")
    after = _digests(machine)
    assert {name for name in after if after[name] != before[name]} == {
        "MASKGATE_DIGEST_CLOUD_TELEGRAM_TOKEN"
    }


def _digests(machine: Machine) -> dict[str, str]:
    digests = {
        name: text for name, text in machine.given().items() if name.startswith("MASKGATE_DIGEST_")
    }
    assert len(digests) == 10
    return digests


def test_a_digest_tells_nobody_what_the_secret_is(machine: Machine, tmp_path: Path) -> None:
    """Two installations with one secret have two digests: there is nothing to try guesses on."""
    (tmp_path / "other").mkdir()
    other = Machine(tmp_path / "other")
    for each in (machine, other):
        each.secret("cloud_smtp_password", "1234")
        each.ran("up")
    name = "MASKGATE_DIGEST_CLOUD_SMTP_PASSWORD"
    assert _digests(machine)[name] != _digests(other)[name]
    key = machine.secrets / ".digest_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_text()) == 64


@pytest.mark.parametrize(
    "password", ["plain", "with space", "quo\"te'", "#$\\/@:%?", "motörhead", "x" * 300]
)
def test_the_address_of_redis_follows_its_password(machine: Machine, password: str) -> None:
    machine.ran("up")
    machine.secret("redis_password", f"  {password}\r\n")
    assert "cloud_redis_url is written anew" in machine.ran("up")
    address = (machine.secrets / "cloud_redis_url").read_text()
    parts = urlsplit(address)
    assert unquote(parts.password or "") == password
    assert (parts.hostname, parts.port, parts.path) == ("redis", 6379, "/0")
    assert "written anew" not in machine.ran("up")


def test_the_address_of_a_redis_elsewhere_is_left_alone(machine: Machine) -> None:
    machine.secret("cloud_redis_url", "rediss://:one@store.example:6380/2\n")
    machine.ran("up")
    assert "store.example" in (machine.secrets / "cloud_redis_url").read_text()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("redis_password", " \n", "redis_password is empty"),
        ("dashboard_api_key", "", "dashboard_api_key is empty"),
        ("cloud_telegram_token", "one\ntwo\n", "more than one line"),
        ("cloud_smtp_password", "a\tb", "control character"),
        ("cloud_smtp_password", "\ufeffabc", "byte order mark"),
        ("cloud_smtp_password", "a\0b\0", "zero bytes"),
    ],
)
def test_a_secret_that_would_be_read_wrongly_is_refused(
    machine: Machine, name: str, text: str, said: str
) -> None:
    machine.secret(name, text)
    assert said in (why := machine.refused("up"))
    assert str(machine.secrets / name) in why


def test_a_folder_or_a_dead_link_in_a_secrets_place_is_refused(machine: Machine) -> None:
    machine.secrets.mkdir()
    place = machine.secrets / "cloud_telegram_token"
    place.mkdir()
    assert f"rmdir {place}" in machine.refused("up")
    place.rmdir()
    place.symlink_to(machine.folder / "nowhere")
    assert "link to nothing" in machine.refused("up")


def test_an_emptied_token_takes_the_bot_away(machine: Machine) -> None:
    machine.secret("cloud_telegram_token", "123:abc")
    machine.ran("up")
    assert [word for word in machine.up() if word in {"--profile", "telegram"}] == [
        "--profile",
        "telegram",
    ]
    machine.has(bot="healthy")
    machine.secret("cloud_telegram_token", "\n")
    assert "the bot is gone" in machine.ran("up")
    assert [words[-4:] for words in machine.calls() if "rm" in words] == [
        ["rm", "--stop", "--force", "bot"]
    ]


def test_a_cameras_password_in_the_settings_is_warned_of(machine: Machine) -> None:
    machine.settings("MASKGATE_SOURCE=rtsp://admin:S3cr#t$x@10.0.0.7:554/1\n")
    (machine.checkout / "docker" / ".env").chmod(0o644)
    said = machine.ran("up")
    assert "S3cr#t$x" not in said
    assert f"write the whole address into {machine.secrets}/edge_source" in said
    assert "chmod 600 docker/.env" in said
    # Both Composes are given the password whole.
    assert machine.given()["MASKGATE_SOURCE"] == "rtsp://admin:S3cr#t$x@10.0.0.7:554/1"
    machine.settings("MASKGATE_SOURCE=rtsp://10.0.0.7:554/1\n")
    assert "holds a password" not in machine.ran("up")


def test_the_secret_of_a_source_is_used_where_there_is_one(machine: Machine) -> None:
    machine.ran("up")
    assert not [word for word in machine.up() if "source" in word]
    machine.secret("edge_source", "rtsp://admin:pw@10.0.0.7/1")
    machine.ran("up")
    assert "docker/compose.source.yaml" in machine.up()
    machine.settings("MASKGATE_SOURCE=rtsp://10.0.0.8/1\n")
    assert "name two cameras" in machine.run("up").stderr
    machine.settings("")
    machine.environment["OVERLAYS"] = "camera"
    assert "name two cameras" in machine.run("up").stderr


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("CLOUD_TELEGRAM_TOKEN", "cloud_telegram_token"),
        ("MASKGATE_SMTP_PASSWORD", "cloud_smtp_password"),
        ("TELEGRAM_TOKEN", "cloud_telegram_token"),
        ("REDIS_PASSWORD", "redis_password"),
        ("EDGE_SOURCE", "edge_source"),
        ("DASHBOARD_API_KEY", "dashboard_api_key"),
    ],
)
def test_a_secret_among_the_settings_is_refused_with_its_file(
    machine: Machine, name: str, file: str
) -> None:
    machine.settings(f"# settings\n{name}=hush\n")
    said = machine.refused("up")
    assert f"docker/.env, line 2: {name} is a secret" in said
    assert f"{machine.secrets}/{file}" in said
    assert "hush" not in said


def test_settings_are_read_as_people_write_them(machine: Machine) -> None:
    machine.settings(
        "\ufeffMASKGATE_GATE=side  # the second door\r\n"
        'MASKGATE_GATE_NAME="Ana\'s # door"\n'
        "MASKGATE_TLS=                 # nothing\n"
        "export MASKGATE_TIME_ZONE = 'Europe/Madrid'\n\n"
        "MASKGATE_SMTP_USERNAME=a#b\n"
    )
    assert "?gate=side" in machine.ran("up")
    given = machine.given()
    assert [
        given[f"MASKGATE_{name}"]
        for name in ("GATE", "GATE_NAME", "TLS", "TIME_ZONE", "SMTP_USERNAME")
    ] == ["side", "Ana's # door", "", "Europe/Madrid", "a#b"]
    machine.environment["MASKGATE_GATE"] = "back"
    assert "?gate=back" in machine.ran("up"), "the environment wins"


def test_a_wrong_line_and_an_unknown_name_are_named(machine: Machine) -> None:
    machine.settings("MASKGATE_GATE=main\nMASKGATE_BIND 0.0.0.0\n")
    assert "docker/.env, line 2: this is not NAME=value" in machine.refused("up")
    machine.settings("MASKGATE_GATE_NAME='Main\n")
    assert "docker/.env, line 1: the quotes" in machine.refused("up")
    machine.settings("MASKGATE_API_PROT=8001\nCLOUD_LOG_LEVEL=debug\n")
    said = machine.ran("up")
    assert "line 1: nothing reads MASKGATE_API_PROT" in said
    assert "line 2: CLOUD_LOG_LEVEL has no effect there" in said


def test_every_setting_of_the_example_is_one_that_is_read() -> None:
    example = (ROOT / "docker" / "env.example").read_text()
    named = set(re.findall(r"^# (MASKGATE_[A-Z_]+)=", example, re.M))
    read = "".join(file.read_text() for file in FILES)
    read += (ROOT / "docker" / "compose.sh").read_text()
    read += "".join(file.read_text() for file in (ROOT / "docker" / "compose").glob("*.sh"))
    assert {name for name in named if name not in read} == set()
    settings = set(re.findall(r"\$\{(MASKGATE_[A-Z_]+)", "".join(map(Path.read_text, FILES))))
    internal = {name for name in settings if "DIGEST" in name} | {
        "MASKGATE_HTTPS_SUFFIX", "MASKGATE_VERSION", "MASKGATE_SECRETS"
    }  # fmt: skip
    assert settings - internal <= named


def test_a_taken_port_is_found_before_anything_starts(machine: Machine, taken: int) -> None:
    machine.environment["MASKGATE_DASHBOARD_PORT"] = str(taken)
    said = machine.refused("up")
    assert f"port {taken}, for dashboard, is taken" in said
    assert "set MASKGATE_DASHBOARD_PORT" in said
    assert "Nothing was started" in said


def test_a_port_of_another_container_is_told_with_its_name(machine: Machine) -> None:
    machine.environment["MASKGATE_API_PORT"] = "28998"
    machine.says(ports="shop_web_1\tshop\tweb\t0.0.0.0:28998->80/tcp, :::28998->80/tcp\n")
    assert "is taken by the container shop_web_1" in machine.refused("up")
    machine.says(ports="maskgate_api_1\tmaskgate\tapi\t127.0.0.1:28998->8000/tcp\n")
    machine.ran("up")


@pytest.mark.parametrize("port", ["0", "65536", "web"])
def test_what_is_no_port_is_refused(machine: Machine, port: str) -> None:
    machine.environment["MASKGATE_API_PORT"] = port
    assert f"MASKGATE_API_PORT is {port}, which is no port" in machine.refused("up")


def test_two_services_at_one_port_are_refused(machine: Machine) -> None:
    machine.environment |= {"MASKGATE_API_PORT": "28999", "MASKGATE_DASHBOARD_PORT": "28999"}
    said = machine.refused("up")
    assert "MASKGATE_API_PORT" in said
    assert "MASKGATE_DASHBOARD_PORT" in said


def test_what_compose_could_not_start_is_taken_down_again(machine: Machine) -> None:
    machine.says(fails="")
    done = machine.run("up")
    assert done.returncode == 1
    assert "taken down again" in done.stderr
    assert "down" in machine.calls()[-1]
    machine.has(redis="healthy", api="exited 3")
    done = machine.run("up")
    assert "api is exited 3; the last lines of its log:\n  what it said last" in done.stderr
    assert "down" not in machine.calls()[-1], "what was up before stays"


def test_a_service_that_is_not_well_is_shown_with_its_log(machine: Machine) -> None:
    machine.says(unwell="")
    machine.environment["MASKGATE_PATIENCE_S"] = "0"
    done = machine.run("up")
    assert done.returncode == 1
    assert "redis is unhealthy; the last lines of its log:\n  what it said last" in done.stderr


@pytest.mark.parametrize(
    ("bind", "given", "here"),
    [
        ("::1", "[::1]", "[::1]"),
        ("[::]", "[::]", "[::1]"),
        ("0.0.0.0", "0.0.0.0", "127.0.0.1"),
        ("192.168.7.5", "192.168.7.5", "192.168.7.5"),
    ],
)
def test_the_address_may_be_of_ipv6_and_open_ones_are_warned_of(
    machine: Machine, bind: str, given: str, here: str
) -> None:
    machine.settings(f"MASKGATE_BIND={bind}\n")
    said = machine.ran("up")
    assert machine.given()["MASKGATE_BIND"] == given
    assert f"The dashboard:  http://{here}:" in said
    assert ("EVERYBODY" in said) == (bind != "::1")


def test_what_is_no_address_is_refused(machine: Machine) -> None:
    machine.settings("MASKGATE_BIND=localhost\n")
    assert "MASKGATE_BIND is localhost" in machine.refused("up")


def test_tls_prints_the_names_that_browsers_use(machine: Machine) -> None:
    machine.environment |= {"OVERLAYS": "tls", "MASKGATE_HTTP_PORT": str(free_port())}
    port = free_port()
    machine.environment["MASKGATE_HTTPS_PORT"] = str(port)
    assert "MASKGATE_HOST" in machine.refused("up")
    machine.settings("MASKGATE_HOST=https://gate.example.org\n")
    assert "give the name alone" in machine.refused("up")
    machine.settings("MASKGATE_HOST=gate.example.org\n")
    assert "dashboard_people is empty" in machine.refused("up")
    machine.secret("dashboard_people", "ana secret\n")
    assert "dashboard_people, line 1" in machine.refused("up")
    machine.secret("dashboard_people", f"# who\nana $2a$14${'x' * 53}\n")
    said = machine.ran("up")
    assert f"The dashboard:  https://gate.example.org:{port}/?gate=main" in said
    assert f"The API:        https://gate.example.org:{port}/v1" in said
    assert machine.given()["MASKGATE_HTTPS_SUFFIX"] == f":{port}"


def test_overlays_are_remembered_until_others_are_asked_for(machine: Machine) -> None:
    machine.settings("MASKGATE_HOST=gate.example.org\n")
    machine.secret("dashboard_people", f"ana $2a$14${'x' * 53}\n")
    machine.environment |= {
        "OVERLAYS": "tls",
        "MASKGATE_HTTP_PORT": str(free_port()),
        "MASKGATE_HTTPS_PORT": str(free_port()),
    }
    machine.ran("up")
    machine.environment["OVERLAYS"] = ""
    assert 'OVERLAYS is "tls", as before' in machine.ran("up")
    assert "docker/compose.tls.yaml" in machine.up()
    machine.ran("down")
    machine.ran("up")
    assert "docker/compose.tls.yaml" in machine.up()
    machine.environment["OVERLAYS"] = "none"
    assert 'OVERLAYS was "tls" before' in machine.ran("up")
    assert "docker/compose.tls.yaml" not in machine.up()
    machine.environment["OVERLAYS"] = "tsl"
    assert "OVERLAYS takes tls, camera, gpu" in machine.run("up").stderr


def test_a_camera_comes_back_with_up_until_it_is_switched_off(machine: Machine) -> None:
    assert "say make up first" in machine.run("edge").stderr
    machine.ran("up")
    machine.environment["OVERLAYS"] = "camera"
    machine.ran("edge")
    assert (machine.secrets / "edge_enrolment_code").read_text() == "made-now"
    machine.environment["OVERLAYS"] = ""
    said = machine.ran("down")
    assert "edge" in said.split("Taken down:")[1].splitlines()[0]
    assert "comes back with make up" in said
    said = machine.ran("up")
    assert "The camera:" in said
    words = machine.up()
    assert words[-1] == "edge"
    assert "docker/compose.camera.yaml" in words
    machine.ran("edge", "off")
    assert "A camera here:  make edge" in machine.ran("up")
    assert machine.up()[-1] != "edge"


def test_down_with_nothing_up_says_so_and_makes_nothing(machine: Machine) -> None:
    assert "Nothing of maskgate was up here" in machine.ran("down")
    assert not machine.secrets.exists()


def test_a_command_of_the_cloud_runs_where_the_api_does_not(machine: Machine) -> None:
    assert "nothing is set up here yet" in machine.run("cloud", "gates", "list").stderr
    machine.ran("up")
    assert "made-now" in machine.ran("cloud", "gates", "list")
    machine.has(redis="healthy", api="exited 0")
    assert "ran once" in machine.ran(
        "cloud", "restore", "--force", "/var/backups/maskgate/a.backup"
    )
    words = machine.calls()[-1]
    assert words[words.index("run") :] == [
        "run", "--rm", "--no-deps", "-T", "api",
        "restore", "--force", "/var/backups/maskgate/a.backup",
    ]  # fmt: skip
    machine.has()
    assert "Redis does not run; it is started" in machine.ran("cloud", "gates", "list")
    assert machine.up()[-1] == "redis"
    (machine.folder / "a.backup").write_text("backup")
    assert (
        "docker/compose.sh backups put a.backup"
        in machine.run("cloud", "restore", "a.backup").stderr
    )


def test_backups_are_switched_off_by_a_setting(machine: Machine) -> None:
    assert "03:17" in machine.ran("up")
    machine.settings("MASKGATE_BACKUP=off\n")
    assert "none are made by themselves" in machine.ran("up")
    words = machine.up()
    assert words[words.index("--scale") + 1] == "backup=0"


def test_the_limit_of_redis_has_room_for_what_it_may_hold(machine: Machine) -> None:
    machine.ran("up")
    assert machine.given()["MASKGATE_REDIS_LIMIT"] == "1024m"
    machine.settings("MASKGATE_REDIS_MEMORY=2gb\n")
    machine.ran("up")
    assert machine.given()["MASKGATE_REDIS_LIMIT"] == "3200m"
    machine.settings("MASKGATE_REDIS_MEMORY=2gb\nMASKGATE_REDIS_LIMIT=1g\n")
    assert "MASKGATE_REDIS_LIMIT=1g is not above" in machine.run("up").stderr


def test_an_old_compose_or_a_wrong_project_is_refused(machine: Machine) -> None:
    machine.environment["COMPOSE_PROJECT_NAME"] = "Front Desk"
    assert "COMPOSE_PROJECT_NAME is Front Desk" in machine.refused("up")
    machine.says(**{"compose-version": "1.25.5"})
    assert "Compose 1.25.5 is too old" in machine.refused("up")


def test_it_runs_from_any_folder_and_a_relative_folder_of_secrets_is_seen_from_there(
    machine: Machine,
) -> None:
    machine.environment["MASKGATE_SECRETS"] = "mine"
    machine.ran("up")
    assert (machine.folder / "mine" / "redis_password").exists()
    assert machine.given()["MASKGATE_SECRETS"] == str(machine.folder / "mine")


def test_two_at_once_take_turns(machine: Machine) -> None:
    machine.ran("up")
    with (machine.checkout / "var/compose/state/maskgate/lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = subprocess.Popen(
            [str(machine.checkout / "docker" / "compose.sh"), "down"],
            env={"PATH": f"{machine.folder / 'bin'}:{os.environ['PATH']}"},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert second.stderr is not None
        assert "waiting for its end" in second.stderr.readline()
        assert second.poll() is None
    assert second.wait(timeout=60) == 0
    second.stderr.close()


def test_settings_with_passwords_reach_neither_git_nor_the_builder() -> None:
    assert "docker/.env" in (ROOT / ".gitignore").read_text().splitlines()
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in sent
    assert not {"!docker", "!docker/", "!docker/*", "!docker/.env"} & set(sent)
