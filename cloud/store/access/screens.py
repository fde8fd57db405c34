"""Screens at doors: their one-time codes, their links, and their keys."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Final, cast

import redis

from cloud.contract import PendingScreen, Role, Screen, ScreenLink
from cloud.contract.base import UtcTime, Wire
from cloud.contract.passes import TOKEN_ALPHABET
from cloud.errors import GateUnknown, ScreenCodeInvalid
from cloud.store import keyspace
from cloud.store.access.keys import MintedKey, StoredKey, mint, with_fields
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set, require_gate
from cloud.store.records import parsed

CODE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""31 letters: no 0, O, 1, I or L, which people confuse when they read them across a hall."""

CODE_LENGTH: Final = 8
"""8 letters of 31 are 39 bits. An operator may try 30 in 15 minutes, and a code lives for ten: a
guess at one of a thousand waiting screens is right with chance 4e-8."""

CODE_LIFETIME: Final = timedelta(minutes=10)

LINK_LENGTH: Final = 22
"""22 letters of 58 are 128 bits: nobody types them."""

LINK_LIFETIME: Final = timedelta(hours=1)


class LinkRecord(Wire):
    """A one-time link as it is kept, under the hash of its code."""

    gate: str
    expires_at: UtcTime


@translates_redis_errors
class Screens:
    """Screens by id; each is a key of the role kiosk. Codes and links are kept as hashes."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def ask(self, gate: str, now: datetime) -> PendingScreen:
        """Make the key of a screen, which opens nothing until an operator confirms its code."""
        minted = _minted("a screen", gate)
        code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
        self._client.set(_code_key(code), minted.stored.document, ex=CODE_LIFETIME)
        return PendingScreen(
            id=minted.stored.id,
            gate=gate,
            key=minted.text,
            code=f"{code[:4]}-{code[4:]}",
            expires_at=now + CODE_LIFETIME,
        )

    def confirm(self, gate: str, code: str, name: str, now: datetime) -> Screen:
        """Pair the screen that shows a code: keep its key, and delete the code, in one MULTI.

        Args:
            gate: The gate.
            code: As a person typed it.
            name: For people.
            now: The present.

        Returns:
            The screen.

        Raises:
            ScreenCodeInvalid: The code was never made, was used, has expired, or its screen stands
                at another gate.
            GateUnknown: There is no such gate.
        """
        kept_at = _code_key(code)

        def write(pipe: Any) -> StoredKey:
            document = pipe.get(kept_at)
            waiting = parsed(StoredKey, document) if document else None
            if waiting is None or now >= waiting.created_at + CODE_LIFETIME:
                raise ScreenCodeInvalid(
                    "no screen shows this code now; read it from the screen once more"
                )
            if waiting.gate != gate:
                raise ScreenCodeInvalid(f"the screen with this code stands at gate {waiting.gate}")
            require_gate(pipe, gate)
            paired = with_fields(waiting, name=name, created_at=now)
            pipe.multi()
            pipe.delete(kept_at)
            pipe.hset(keyspace.KEYS, paired.id, paired.document)
            return paired

        return screen_of(check_and_set(self._client, write, kept_at, keyspace.GATES))

    def new_link(self, gate: str, now: datetime, lifetime: timedelta = LINK_LIFETIME) -> ScreenLink:
        """Make the code of a one-time link, which is kept as a hash until it expires."""
        code = "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(LINK_LENGTH))
        record = LinkRecord(gate=gate, expires_at=now + lifetime)
        self._client.set(_link_key(code), record.model_dump_json(), ex=lifetime)
        return ScreenLink(code=code, gate=gate, expires_at=record.expires_at)

    def pair_by_link(self, gate: str, code: str, now: datetime) -> PendingScreen:
        """Pair the screen that came with the code of a link.

        Args:
            gate: The gate of the address that the screen opened.
            code: The code.
            now: The present.

        Returns:
            The screen with its key.

        Raises:
            ScreenCodeInvalid: The code was never made, was used, has expired, or is for another
                gate.
        """
        kept_at = _link_key(code)

        def write(pipe: Any) -> MintedKey:
            document = pipe.get(kept_at)
            record = parsed(LinkRecord, document) if document else None
            if record is None or now >= record.expires_at or record.gate != gate:
                raise ScreenCodeInvalid(_LINK_REFUSED)
            try:
                require_gate(pipe, gate)
            except GateUnknown as error:
                raise ScreenCodeInvalid(_LINK_REFUSED) from error
            minted = _minted("screen paired by a link", gate)
            pipe.multi()
            pipe.delete(kept_at)
            pipe.hset(keyspace.KEYS, minted.stored.id, minted.stored.document)
            return minted

        minted = check_and_set(self._client, write, kept_at, keyspace.GATES)
        return PendingScreen(id=minted.stored.id, gate=gate, key=minted.text, paired=True)

    def all(self) -> list[Screen]:
        """Return every paired screen, the oldest first; revoked ones too."""
        documents = cast(list[bytes], self._client.hvals(keyspace.KEYS))
        held = (parsed(StoredKey, document) for document in documents)
        screens = [screen_of(key) for key in held if key.screen]
        return sorted(screens, key=lambda screen: (screen.paired_at, screen.id))

    def get(self, screen_id: str) -> Screen | None:
        """Return the screen, or None."""
        document = cast(bytes | None, self._client.hget(keyspace.KEYS, screen_id))
        key = parsed(StoredKey, document) if document else None
        return screen_of(key) if key is not None and key.screen else None


def screen_of(key: StoredKey) -> Screen:
    """Return the screen that was paired with a key."""
    return Screen(
        id=key.id,
        name=key.name,
        gate=key.gate or "",
        paired_at=key.created_at,
        revoked=key.revoked,
    )


_LINK_REFUSED = "this link was used, has expired, or is for another gate; ask for a new one"


def _minted(name: str, gate: str) -> MintedKey:
    minted = mint(name, Role.KIOSK, gate)
    return MintedKey(with_fields(minted.stored, screen=True), minted.text)


def _code_key(code: str) -> str:
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return keyspace.screen_code(hashlib.sha256(plain.encode()).hexdigest())


def _link_key(code: str) -> str:
    return keyspace.screen_link(hashlib.sha256(code.strip().encode()).hexdigest())
