"""Secrets of docker/compose.sh: how they are read and digested, and which ones are refused."""

import re
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.docker.compose_double import FILES, Machine


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
    assert len(digests) == 13
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
