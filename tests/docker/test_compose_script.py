"""Settings, ports, overlays and commands of docker/compose.sh, before anything is started.

The container engine and Compose are doubles here. tests/deploy/test_compose.py uses the real ones.
"""

import fcntl
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.docker.compose_double import FILES, ROOT, Machine
from tests.doubles.redis_server import free_port


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
    assert "OVERLAYS takes tls, camera, gpu, door, hub" in machine.run("up").stderr


def test_a_door_needs_its_key_and_starts_with_its_hub(machine: Machine) -> None:
    machine.environment["OVERLAYS"] = "door hub"
    assert "edge_door_key" in machine.refused("up")
    machine.secret("edge_door_key", "mg_key")
    machine.environment["MASKGATE_HUB_PORT"] = str(free_port())
    machine.ran("up")
    assert {"docker/compose.door.yaml", "docker/compose.hub.yaml"} <= set(machine.up())


def test_a_camera_comes_back_with_up_until_it_is_switched_off(machine: Machine) -> None:
    assert "run make up first" in machine.run("edge").stderr
    machine.ran("up")
    machine.environment["OVERLAYS"] = "camera"
    machine.ran("edge")
    assert (machine.secrets / "edge_enrolment_code").read_text() == "made-now"
    machine.environment["OVERLAYS"] = ""
    said = machine.ran("down")
    assert "edge" in said.split("Taken down:")[1].splitlines()[0]
    assert "starts again with make up" in said
    said = machine.ran("up")
    assert "The camera:" in said
    words = machine.up()
    assert words[-1] == "edge"
    assert "docker/compose.camera.yaml" in words
    machine.ran("edge", "off")
    assert "A camera here:  make edge" in machine.ran("up")
    assert machine.up()[-1] != "edge"


def test_down_with_nothing_up_says_so_and_makes_nothing(machine: Machine) -> None:
    assert "Nothing of maskgate ran here" in machine.ran("down")
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
    assert "none are made at night" in machine.ran("up")
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
