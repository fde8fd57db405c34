"""Accounts of people, and the sessions that they have open."""

import hashlib
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import redis

from cloud.contract import Account, Role
from cloud.contract.base import UtcTime, Wire
from cloud.errors import SessionInvalid
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set, require_gate
from cloud.store.records import parsed

SECRET_BYTES: Final = 32

SEEN_EVERY = timedelta(seconds=30)
"""How often the time of a session's last use is written: not at each request, which would cost a
write."""


class StoredAccount(Account):
    """An account as it is kept."""

    password_hash: str

    def shown(self) -> Account:
        """Return the account without its password's hash."""
        return Account.model_validate(self.model_dump(exclude={"password_hash"}))


class StoredSession(Wire):
    """A session as it is kept, under the hash of its secret."""

    account_id: str
    created_at: UtcTime
    seen_at: UtcTime
    expires_at: UtcTime


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session in use: its account, and its end.

    It has the properties of a key that routes use (id, name, role, gate), so a route need not know
    which of the two a caller has.
    """

    account: StoredAccount
    kept: StoredSession
    secret_sha256: str

    @property
    def id(self) -> str:
        """The account's id."""
        return self.account.id

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name

    @property
    def role(self) -> Role:
        """The account's role."""
        return self.account.role

    @property
    def gate(self) -> str | None:
        """The one gate where the account has its role; None for every gate."""
        return self.account.gate

    @property
    def expires_at(self) -> datetime:
        """When the session ends, however often it is used."""
        return self.kept.expires_at

    @property
    def device_id(self) -> None:
        """None, since no device has a session."""
        return None


@translates_redis_errors
class Accounts:
    """Accounts by id, and their ids by name."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def add(self, account: StoredAccount) -> bool:
        """Keep a new account.

        Returns:
            False if its name is taken.

        Raises:
            GateUnknown: the account is bound to a gate that does not exist.
        """
        name = normalised_name(account.name)

        def write(pipe: Any) -> bool:
            if account.gate is not None:
                require_gate(pipe, account.gate)
            if pipe.hexists(keyspace.ACCOUNT_NAMES, name):
                return False
            pipe.multi()
            pipe.hset(keyspace.ACCOUNTS, account.id, account.model_dump_json())
            pipe.hset(keyspace.ACCOUNT_NAMES, name, account.id)
            return True

        return check_and_set(self._client, write, keyspace.ACCOUNT_NAMES, keyspace.GATES)

    def get(self, account_id: str) -> StoredAccount | None:
        """Return the account, or None."""
        document = cast(bytes | None, self._client.hget(keyspace.ACCOUNTS, account_id))
        return parsed(StoredAccount, document) if document else None

    def named(self, name: str) -> StoredAccount | None:
        """Return the account of this name, whatever its case, or None."""
        held = cast(bytes | None, self._client.hget(keyspace.ACCOUNT_NAMES, normalised_name(name)))
        return self.get(held.decode()) if held else None

    def all(self) -> list[StoredAccount]:
        """Return every account, the oldest first."""
        documents = cast(list[bytes], self._client.hvals(keyspace.ACCOUNTS))
        held = (parsed(StoredAccount, document) for document in documents)
        return sorted(held, key=lambda account: (account.created_at, account.id))

    def set_password(self, account_id: str, password_hash: str) -> bool:
        """Replace the password's hash; return False if there is no such account."""

        def write(pipe: Any) -> bool:
            document = pipe.hget(keyspace.ACCOUNTS, account_id)
            if document is None:
                return False
            account = parsed(StoredAccount, document)
            changed = account.model_copy(update={"password_hash": password_hash})
            pipe.multi()
            pipe.hset(keyspace.ACCOUNTS, account_id, changed.model_dump_json())
            return True

        return check_and_set(self._client, write, keyspace.ACCOUNTS)

    def remove(self, account_id: str) -> bool:
        """Remove an account; return False if there is no such account."""
        account = self.get(account_id)
        if account is None:
            return False
        with self._client.pipeline() as pipe:
            pipe.hdel(keyspace.ACCOUNTS, account_id)
            pipe.hdel(keyspace.ACCOUNT_NAMES, normalised_name(account.name))
            pipe.execute()
        return True


@translates_redis_errors
class Sessions:
    """Sessions by the hash of their secret: a reader of the store cannot use one."""

    def __init__(
        self, client: redis.Redis, accounts: Accounts, idle: timedelta, longest: timedelta
    ) -> None:
        self._client = client
        self._accounts = accounts
        self._idle = idle
        self._longest = longest

    def begin(self, account: StoredAccount, now: datetime) -> tuple[str, OpenSession]:
        """Begin a session; return its secret, which is always new, and the session."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        kept = StoredSession(
            account_id=account.id, created_at=now, seen_at=now, expires_at=now + self._longest
        )
        opened = OpenSession(account, kept, _sha256(secret))
        with self._client.pipeline() as pipe:
            pipe.set(
                keyspace.session(opened.secret_sha256),
                kept.model_dump_json(),
                px=min(self._idle, self._longest),
            )
            pipe.sadd(keyspace.sessions(account.id), opened.secret_sha256)
            pipe.expire(keyspace.sessions(account.id), self._longest)
            pipe.execute()
        return secret, opened

    def authenticate(self, secret: str, now: datetime) -> OpenSession:
        """Return the session that a secret proves.

        Raises:
            SessionInvalid: the session has ended, or its account was removed.
        """
        secret_sha256 = _sha256(secret)
        key = keyspace.session(secret_sha256)
        document = cast(bytes | None, self._client.get(key))
        kept = parsed(StoredSession, document) if document else None
        if kept is None or now >= kept.expires_at or now - kept.seen_at >= self._idle:
            raise SessionInvalid("sign in again: this session has ended")
        account = self._accounts.get(kept.account_id)
        if account is None:
            raise SessionInvalid("the account of this session was removed")
        if now - kept.seen_at >= min(SEEN_EVERY, self._idle / 4):
            kept = kept.model_copy(update={"seen_at": now})
            # XX: a session that was ended meanwhile stays ended.
            self._client.set(
                key, kept.model_dump_json(), px=min(self._idle, kept.expires_at - now), xx=True
            )
        return OpenSession(account, kept, secret_sha256)

    def end(self, session: OpenSession) -> None:
        """End one session."""
        with self._client.pipeline() as pipe:
            pipe.delete(keyspace.session(session.secret_sha256))
            pipe.srem(keyspace.sessions(session.account.id), session.secret_sha256)
            pipe.execute()

    def end_all(self, account_id: str) -> None:
        """End all sessions of an account."""
        held = cast(set[bytes], self._client.smembers(keyspace.sessions(account_id)))
        self._client.delete(
            keyspace.sessions(account_id), *(keyspace.session(each.decode()) for each in held)
        )


def new_account_id() -> str:
    """Return a new id."""
    return f"a{secrets.token_hex(6)}"


def csrf_token(secret: str) -> str:
    """Return the CSRF token of a session.

    It is derived one way from the session's secret, so it need not be kept and cannot be guessed.

    Returns:
        A token that a page of the session's own site can know, and no other site.
    """
    return hashlib.sha256(f"csrf:{secret}".encode()).hexdigest()


def normalised_name(name: str) -> str:
    """Return the form by which names are compared (Unicode section 3.13, NFKC caseless)."""
    composed = unicodedata.normalize("NFKC", name.strip())
    return unicodedata.normalize("NFKC", composed.casefold())


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
