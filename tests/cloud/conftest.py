"""A real Redis for the session, an API served on a real socket, and people with keys."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import argon2
import httpx
import pytest
import structlog
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from cloud import passwords
from cloud.api.app import create_app
from cloud.api.serving.limits import Limits
from cloud.api.serving.server import Server
from cloud.contract import EnrolmentRequest, Event, Gate, Label, Role
from cloud.settings import Settings
from cloud.store import Store, StoredAccount, csrf_token, mint, new_account_id, now
from tests.cloud.processes import wait_until_it_answers
from tests.doubles.redis_server import RedisServer, free_port

GATE = "main"
OTHER_GATE = "back"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def logs_through_the_standard_library() -> None:
    """So that pytest captures them, with the tests that they belong to."""
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """For tests in whose course a process sets its logging up."""
    root, configuration = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configuration)


@pytest.fixture(scope="session")
def shared_settings(redis_server: RedisServer) -> Settings:
    return Settings(redis_url=SecretStr(redis_server.url))


@pytest.fixture
def settings(shared_settings: Settings, redis_server: RedisServer) -> Settings:
    """The settings, on a Redis that is empty."""
    with redis_server.client() as client:
        client.flushall()
    return shared_settings


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store.open(settings)
    for gate in (GATE, OTHER_GATE):
        opened.gates.add(Gate(id=gate, name=f"{gate.title()} entrance", created_at=now()))
    yield opened
    opened.close()


@pytest.fixture
def make_event() -> Callable[..., Event]:
    """Events of now whose only difference is what a test says, with a new id unless given."""

    def make(label: Label = Label.WITH_MASK, **changes: Any) -> Event:
        seen = now()
        fields = {
            "id": uuid7(),
            "label": label,
            "confidence": 0.97,
            "votes": 9,
            "first_seen_at": seen - timedelta(seconds=1),
            "occurred_at": seen,
        }
        return Event.model_validate({**fields, **changes})

    return make


@contextmanager
def serving(
    settings: Settings, limits: Limits | None = None, host: str = "127.0.0.1"
) -> Iterator[str]:
    """Serve the API on a real socket, and give its address."""
    port = free_port()
    server = Server(create_app(settings), host=host, port=port, limits=limits)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{port}"
    wait_until_it_answers(address)
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(timeout=60)


@pytest.fixture(scope="session")
def shared_url(shared_settings: Settings) -> Iterator[str]:
    """One API for all tests: it keeps nothing but counters, and Redis is emptied between them."""
    with serving(shared_settings) as at:
        yield at


@pytest.fixture
def api_url(shared_url: str, store: Store) -> str:
    return shared_url


Login = Callable[..., httpx.Client]


@pytest.fixture
def login(api_url: str, store: Store) -> Iterator[Login]:
    """Clients of the API by role; a device is enrolled, the rest get a key."""
    clients: list[httpx.Client] = []

    def make(role: Role | None, gate: str | None = None) -> httpx.Client:
        headers = {}
        if role is Role.DEVICE:
            code = store.devices.new_code(gate or GATE, timedelta(minutes=5), now())
            enrolled = store.devices.enrol(EnrolmentRequest(code=code.code, name="camera"), now())
            headers["Authorization"] = f"Bearer {enrolled.device_key}"
        elif role is not None:
            minted = mint(f"a {role.value}", role, gate)
            store.keys.add(minted.stored)
            headers["Authorization"] = f"Bearer {minted.text}"
        client = httpx.Client(base_url=api_url, headers=headers, timeout=60)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


SignIn = Callable[..., httpx.Client]

PASSWORD = "seven quiet herons at dusk"


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """argon2id as everywhere, with the least work: what it should take is test_passwords.py's."""
    with pytest.MonkeyPatch.context() as patch:
        hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(passwords, "_hasher", hasher)
        patch.setattr(passwords, "_of_nobody", hasher.hash("nobody's"))
        yield


@pytest.fixture(scope="session")
def password_hash(quick_hashes: None) -> str:
    """Of PASSWORD."""
    return passwords.hashed(PASSWORD)


@pytest.fixture
def make_account(store: Store, password_hash: str) -> Callable[..., StoredAccount]:
    """Accounts whose password is PASSWORD."""

    def make(name: str, role: Role = Role.OPERATOR, gate: str | None = None) -> StoredAccount:
        account = StoredAccount(
            id=new_account_id(),
            name=name,
            role=role,
            gate=gate,
            created_at=now(),
            password_hash=password_hash,
        )
        assert store.accounts.add(account)
        return account

    return make


@pytest.fixture
def sign_in(login: Login, store: Store, make_account: Callable[..., StoredAccount]) -> SignIn:
    """Clients with a session instead of a key, as after signing in."""
    accounts: dict[tuple[Role, str | None], StoredAccount] = {}

    def make(role: Role, gate: str | None = None) -> httpx.Client:
        if (role, gate) not in accounts:
            accounts[role, gate] = make_account(f"{role.value} at {gate}", role, gate)
        secret, _ = store.sessions.begin(accounts[role, gate], now())
        client = login(None)
        client.cookies.set("mg_session", secret)
        client.headers["X-CSRF-Token"] = csrf_token(secret)
        return client

    return make


@pytest.fixture
def device(login: Login) -> httpx.Client:
    return login(Role.DEVICE)


@pytest.fixture
def operator(login: Login) -> httpx.Client:
    return login(Role.OPERATOR)


def posted(event: Event) -> dict[str, Any]:
    """Return an event as a device sends it."""
    return event.model_dump(mode="json")


@pytest.fixture(scope="session")
def shared_store(shared_settings: Settings) -> Iterator[Store]:
    """A store for tests that only read."""
    opened = Store.open(shared_settings)
    yield opened
    opened.close()
