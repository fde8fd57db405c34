"""Whatever is asked of a store whose Redis is away, the answer is StoreUnavailable."""

import gzip
import hashlib
import inspect
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import redis
from pydantic import SecretStr
from rq import Queue
from uuid_utils.compat import uuid7

from cloud.contract import (
    CameraState,
    Channel,
    CommandKind,
    Decision,
    Delivery,
    DeliveryStatus,
    DeviceLog,
    EnrolmentRequest,
    Event,
    Gate,
    GateSettings,
    Heartbeat,
    IssuedPass,
    Label,
    Language,
    ModelPackage,
    Role,
    StaffRole,
    Subscriber,
)
from cloud.errors import StoreFault, StoreUnavailable
from cloud.settings import Settings
from cloud.store import (
    Acceptance,
    Attempt,
    DeletionRequest,
    DeliveryFilter,
    OpenSession,
    Sender,
    Store,
    StoredAccount,
    StoredPass,
    mint,
    now,
)
from cloud.store.access.accounts import StoredSession
from cloud.store.access.limits import SIGN_INS_OF_AN_ACCOUNT
from cloud.store.connection import translating
from cloud.store.transaction import NO_PRECONDITIONS
from tests.doubles.redis_server import free_port

NOW = now()
PACKAGE = ModelPackage(sha256="0" * 64, size=3, role="classifier", name="own", added_at=NOW)


def _empty_backup() -> Path:
    """A whole backup of nothing, so that restoring it gets as far as the store."""
    path = Path(mkdtemp()) / "backup"
    header = b'{"format":"maskgate-backup","version":1}\n'
    end = {"keys": 0, "sha256": hashlib.sha256(header).hexdigest()}
    path.write_bytes(gzip.compress(header + json.dumps(end).encode() + b"\n"))
    return path


EVENT = Event(
    id=uuid7(), label=Label.WITHOUT_MASK, confidence=1, votes=1, first_seen_at=NOW, occurred_at=NOW
)
DECISION = Decision.model_validate(
    {"event_id": EVENT.id, "gate": "main", "access": "refused", "decided_at": NOW}
)
SUBSCRIBER = Subscriber(id="a", gate="main", channel=Channel.TELEGRAM, address="42", created_at=NOW)
DELIVERY = Delivery(
    id="a",
    event_id=EVENT.id,
    gate="main",
    channel=Channel.EMAIL,
    address="a@b.c",
    text="x",
    with_qr=False,
    status=DeliveryStatus.PENDING,
    created_at=NOW,
)
HELD = StoredPass.read(
    uuid4(),
    {
        b"event": str(EVENT.id).encode(),
        b"gate": b"main",
        b"status": b"issued",
        b"issued_at": b"1",
        b"expires_at": b"99999999999999",
    },
)
HEARTBEAT = Heartbeat(
    sent_at=NOW, camera=CameraState.LIVE, fps=1, latency_ms=1, outbox_depth=0, version="1"
)
ACCOUNT = StoredAccount(id="a", name="Ana", role=Role.VIEWER, created_at=NOW, password_hash="none")
SESSION = OpenSession(
    ACCOUNT, StoredSession(account_id="a", created_at=NOW, seen_at=NOW, expires_at=NOW), "hash"
)

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "ping": ((), {}),
    "ping_queue": ((), {}),
    "manual_passes.add": (
        (
            IssuedPass(id=uuid4(), token="ABCDEFGHJKMNP", expires_at=NOW),
            "main",
            {"actor": "key:a"},
            [],
            NOW,
        ),
        {"preconditions": NO_PRECONDITIONS},
    ),
    "waiting_jobs": ((), {}),
    "oldest_wait_s": ((), {}),
    "events.policy_context": (("main",), {}),
    "events.add": ((Acceptance(EVENT, "camera", DECISION, []),), {}),
    "events.trace": ((EVENT.id,), {}),
    "events.get": ((EVENT.id, NOW), {}),
    "events.page": (
        (),
        {"gate": None, "access": None, "label": None, "before": None, "limit": 5, "now": NOW},
    ),
    "passes.get": ((HELD.id,), {}),
    "passes.token": ((HELD.id,), {}),
    "passes.of_token": (("7Kq2mXw9RtB4z",), {}),
    "passes.redeem": ((Attempt("7Kq2mXw9RtB4z", "main", "n", "k", NOW),), {}),
    "passes.undo": ((HELD, None, NOW), {}),
    "passes.revoke": ((HELD.id, NOW), {}),
    "passes.qr": ((HELD.id,), {}),
    "passes.keep_qr": ((HELD, b"", NOW), {}),
    "redemptions.page": ((), {}),
    "pass_index.page": ((), {"now": NOW}),
    "retention.purge": ((NOW, timedelta(days=1), ZoneInfo("UTC")), {}),
    "retention.claim": ((timedelta(days=1),), {}),
    "retention.release": ((), {}),
    "backup.write": ((Path(mkdtemp()) / "backup", NOW, len), {}),
    "backup.restore": ((_empty_backup(), NOW, len), {}),
    "statistics.quarters": (("main", NOW, NOW), {}),
    "statistics.days": (("main", NOW, NOW, ZoneInfo("UTC")), {}),
    "statistics.compact": ((NOW, ZoneInfo("UTC")), {}),
    "deliveries.get": (("a",), {}),
    "deliveries.settle": (("a", DeliveryStatus.SENT, NOW), {}),
    "deliveries.begin": (("a", timedelta(seconds=1)), {}),
    "deliveries.renew_lease": (("a", timedelta(seconds=1)), {}),
    "deliveries.attempt": (("a", NOW), {}),
    "deliveries.throttle": (("a",), {}),
    "deliveries.release": (("a", "later"), {}),
    "deliveries.resend": (("a",), {}),
    "deliveries.acknowledge": ((EVENT.id, "Ada", NOW), {}),
    "deliveries.acknowledged": ((["a"], "Ada", NOW), {}),
    "digests.join": ((DELIVERY,), {}),
    "digests.drop": ((DELIVERY,), {}),
    "digests.settle": (([DELIVERY], NOW, ""), {}),
    "digests.hold": (("main", "a@b.c", timedelta(seconds=1)), {}),
    "digests.release": (("main", "a@b.c"), {}),
    "digests.waiting": (("main", "a@b.c"), {}),
    "digests.last_sent_at": (("main", "a@b.c"), {}),
    "webhook_secrets.add": (("main", "a", "whsec_a"), {}),
    "webhook_secrets.roll": (("main", "a", "whsec_b", NOW), {}),
    "webhook_secrets.all": (("main", "a", NOW), {}),
    "deliveries.add": ((DELIVERY, NOW), {}),
    "deliveries.show_acknowledgement": ((EVENT.id, NOW), {}),
    "deliveries.acknowledgement": ((EVENT.id,), {}),
    "deliveries.of_event": ((EVENT.id,), {}),
    "deliveries.page_of_event": (
        (EVENT.id,),
        {"gate": None, "wanted": DeliveryFilter(), "before": None, "limit": 5},
    ),
    "lost_jobs.claim": ((timedelta(minutes=1),), {}),
    "lost_jobs.requeue": ((NOW,), {}),
    "suspensions.refused": (("main", "a", "blocked", NOW), {"at_once": False}),
    "suspensions.reached": (("main", "a"), {}),
    "suspensions.suspend": (("main", "a", "asked", NOW), {}),
    "suspensions.resume": (("main", "a"), {}),
    "suspensions.count": ((), {}),
    "limiter.take": (("42", "a"), {}),
    "limiter.hold": (("42", 1.0), {}),
    "limiter.held_until": (("42", NOW), {}),
    "limiter.held_chats": ((NOW,), {}),
    "limiter.fleet_held_s": ((NOW,), {}),
    "visitors.code": (("main",), {}),
    "visitors.replace_code": (("main",), {}),
    "visitors.gate_of": (("x",), {}),
    "visitors.join": (("main", "42", NOW, timedelta(seconds=1)), {}),
    "visitors.leave": (("42",), {}),
    "visitors.place": (("42", NOW), {}),
    "visitors.waiting": (("main", NOW), {}),
    "visitors.at_gate": (("main", NOW), {}),
    "staff.new_code": (("main", StaffRole.GUARD, timedelta(seconds=1), NOW), {}),
    "staff.pair": (("x", "42", "Ada", NOW), {}),
    "staff.of_gate": (("main",), {}),
    "staff.of_chat": (("42",), {}),
    "staff.dismiss": (("main", "42"), {}),
    "chats.language": (("42",), {}),
    "chats.speak": (("42", Language.ES), {}),
    "chats.mute": (("42", NOW), {}),
    "chats.muted_until": (("42", NOW), {}),
    "chats.lead": (("bot", timedelta(seconds=1)), {}),
    "chats.resign": (("bot",), {}),
    "updates.known": (([Sender("1", "1")],), {}),
    "updates.keep": ((1, {7: "{}"}), {}),
    "updates.waiting": ((1,), {}),
    "updates.is_handled": ((1, 7), {}),
    "updates.mark_handled": ((1, 7), {}),
    "chats.introduce": (("gate_bot",), {}),
    "chats.bot_name": ((), {}),
    "deliveries.page": ((), {"gate": None, "status": None, "before": None, "limit": 5}),
    "gates.add": ((Gate(id="main", name="Main", created_at=NOW),), {}),
    "gates.with_preconditions": (("main",), {}),
    "notices.add": ((DELIVERY,), {}),
    "gates.get": (("main",), {}),
    "gates.change": (("main", {"closed": True}), {}),
    "gates.all": ((), {}),
    "gates.subscribe": ((SUBSCRIBER,), {}),
    "gates.change_subscriber": (("main", "a", {"language": "es"}), {}),
    "gates.subscriber": (("main", "a"), {}),
    "gates.subscribers": (("main",), {}),
    "gates.unsubscribe": (("main", "a"), {}),
    "gates.of_address": ((Channel.TELEGRAM, "42"), {}),
    "keys.add": ((mint("x", Role.VIEWER, None).stored,), {}),
    "keys.authenticate": ((mint("x", Role.VIEWER, None).text,), {}),
    "keys.all": ((), {}),
    "keys.get": (("a",), {}),
    "keys.change": (("a", lambda key: key), {}),
    "keys.revoke": (("a",), {}),
    "screens.ask": (("main", NOW), {}),
    "screens.confirm": (("main", "code", "North"), {"now": NOW}),
    "screens.new_link": (("main", NOW), {}),
    "screens.pair_by_link": (("main", "code", NOW), {}),
    "screens.all": ((), {}),
    "screens.get": (("a",), {}),
    "audit.record": (
        (),
        {"actor": "key:a", "act": "pass.revoked", "subject": "pass:a", "now": NOW},
    ),
    "audit.page": ((), {}),
    "accounts.add": ((ACCOUNT,), {}),
    "accounts.all": ((), {}),
    "accounts.get": (("a",), {}),
    "accounts.named": (("Ana",), {}),
    "accounts.remove": (("a",), {}),
    "accounts.set_password": (("a", "hash"), {}),
    "sessions.authenticate": (("secret", NOW), {}),
    "sessions.end": ((SESSION,), {}),
    "sessions.end_all": (("a",), {}),
    "sessions.begin": ((ACCOUNT, NOW), {}),
    "limits.count": ((SIGN_INS_OF_AN_ACCOUNT, "sign-in", "Ana"), {}),
    "limits.forget": ((SIGN_INS_OF_AN_ACCOUNT, "sign-in", "Ana"), {}),
    "commands.issue": ((["a"], CommandKind.RELOAD, NOW), {}),
    "commands.waiting": (("a", None), {}),
    "commands.settings": (("main",), {}),
    "commands.set": (("main", GateSettings()), {}),
    "previews.watch": (("main", "a", 1, NOW), {}),
    "previews.unwatch": (("main", "a"), {}),
    "previews.is_early": (("a",), {}),
    "previews.publish": (("main", b"", NOW), {}),
    "models.add": ((PACKAGE, b"zip"), {}),
    "models.get": (("0" * 64,), {}),
    "models.all": ((), {}),
    "models.content": (("0" * 64, 0), {}),
    "models.delete": (("0" * 64,), {}),
    "device_logs.keep": (("a", DeviceLog(taken_at=NOW, lines=[])), {}),
    "device_logs.get": (("a",), {}),
    "device_logs.delete": (("a",), {}),
    "migration.move": (("-1", "-2", NOW), {}),
    "migration.readdress": ((["a"], "-1", "-2"), {}),
    "migration.moved_to": (("-1",), {}),
    "migration.moved_from": (("-1",), {}),
    "absences.announce": (("a", NOW), {}),
    "absences.cancel": (("a",), {}),
    "absences.begin": (("a",), {}),
    "absences.end": (("a", NOW), {}),
    "readings.take": ((), {}),
    "outages.all": ((), {}),
    "outages.begin": (("a", NOW, [], NOW), {}),
    "outages.end": (("a", [], NOW), {}),
    "deletion.gate": (("main", DeletionRequest("command"), NOW), {}),
    "deletion.gates": ((), {}),
    "deletion.is_deleted": (("main",), {}),
    "erasure.gate": (("main",), {}),
    "keys.keep": ((mint("x", Role.VIEWER, None).stored,), {}),
    "keys.roll": ((mint("x", Role.DEVICE, "main", "a").stored, timedelta(hours=1)), {}),
    "devices.roll": ((mint("x", Role.DEVICE, "main", "a").stored, timedelta(hours=1)), {}),
    "devices.new_code": (("main", timedelta(hours=1), NOW), {}),
    "devices.enrol": ((EnrolmentRequest(code="x", name="camera"), NOW), {}),
    "devices.beat": (("a", HEARTBEAT, NOW), {}),
    "devices.all": ((), {}),
    "devices.get": (("a",), {}),
    "devices.revoke": (("a",), {}),
    "devices.seen": (("a",), {}),
    "devices.rename": (("a", "North"), {}),
}

TOUCHES_NO_REDIS = {
    "open",
    "close",
    "client",
    "queue_client",
    "batches.for_event",
    "batches.add_deliveries",
    "batches.add_pass",
}


@pytest.fixture(scope="module")
def away() -> Iterator[Store]:
    store = Store.open(Settings(redis_url=SecretStr(f"redis://127.0.0.1:{free_port()}/0")))
    yield store
    store.close()


def test_every_call_of_the_store_is_tried_here(away: Store) -> None:
    repositories = {"": away} | {
        f"{name}.": repository
        for name, repository in vars(away).items()
        if type(repository).__module__.startswith("cloud.store")
        and not isinstance(repository, Queue)
    }
    calls = {
        f"{prefix}{name}"
        for prefix, repository in repositories.items()
        for name, _ in inspect.getmembers(type(repository))
        if not name.startswith("_") and prefix + name not in TOUCHES_NO_REDIS
    }
    assert calls == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_an_outage_has_one_name(away: Store, name: str) -> None:
    repository, _, method = name.rpartition(".")
    target = getattr(away, repository) if repository else away
    arguments, named = CALLS[name]
    with pytest.raises(StoreUnavailable):
        getattr(target, method)(*arguments, **named)


def _errors(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from _errors(child)


@pytest.mark.parametrize("kind", sorted(set(_errors(redis.RedisError)), key=str))
def test_no_error_of_redis_leaves_the_store_as_it_is(kind: type[Exception]) -> None:
    def broken() -> None:
        raise kind.__new__(kind)

    with pytest.raises((StoreUnavailable, StoreFault)):
        translating(broken)()


@pytest.mark.parametrize(
    "kind", [redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError]
)
def test_what_passes_by_itself_is_an_outage(kind: type[Exception]) -> None:
    def broken() -> None:
        raise kind("away")

    with pytest.raises(StoreUnavailable):
        translating(broken)()
