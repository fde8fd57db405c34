"""Model packages, which devices take from here, and the log lines that devices send on request."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, cast

import redis

from cloud.contract import DeviceLog, ModelPackage
from cloud.errors import ModelsFull
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set
from cloud.store.records import parsed

PACKAGES_AT_MOST: Final = 10
LOG_KEPT_FOR: Final = timedelta(hours=1)


@translates_redis_errors
class Models:
    """Model packages by SHA-256."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def add(self, package: ModelPackage, content: bytes) -> bool:
        """Keep a package; return False if it is there already.

        Returns:
            Whether it was new.

        Raises:
            ModelsFull: There are PACKAGES_AT_MOST others.
        """

        def write(pipe: Any) -> bool:
            if pipe.hexists(keyspace.MODELS, package.sha256):
                pipe.multi()
                return False
            if pipe.hlen(keyspace.MODELS) >= PACKAGES_AT_MOST:
                raise ModelsFull(
                    f"the cloud keeps {PACKAGES_AT_MOST} model packages at most; delete one"
                )
            pipe.multi()
            pipe.hset(keyspace.MODELS, package.sha256, package.model_dump_json())
            pipe.set(keyspace.model(package.sha256), content)
            return True

        return check_and_set(self._client, write, keyspace.MODELS)

    def get(self, sha256: str) -> ModelPackage | None:
        """Return a package without its content, or None."""
        document = cast(bytes | None, self._client.hget(keyspace.MODELS, sha256))
        return parsed(ModelPackage, document) if document else None

    def all(self) -> list[ModelPackage]:
        """Return all packages without their content, the oldest first."""
        documents = cast(Iterable[bytes], self._client.hvals(keyspace.MODELS))
        held = (parsed(ModelPackage, document) for document in documents)
        return sorted(held, key=lambda package: (package.added_at, package.sha256))

    def content(self, sha256: str, start: int) -> bytes:
        """Return the bytes of a package from `start` on; none if there is no such package."""
        return cast(bytes, self._client.getrange(keyspace.model(sha256), start, -1))

    def delete(self, sha256: str) -> bool:
        """Remove a package; return whether it was there."""
        pipe = self._client.pipeline()
        pipe.hdel(keyspace.MODELS, sha256)
        pipe.delete(keyspace.model(sha256))
        return bool(pipe.execute()[0])


@translates_redis_errors
class DeviceLogs:
    """The log lines that devices sent on request, each for LOG_KEPT_FOR."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def keep(self, device_id: str, log: DeviceLog) -> None:
        """Keep a device's lines in the place of those before."""
        self._client.set(keyspace.device_log(device_id), log.model_dump_json(), ex=LOG_KEPT_FOR)

    def get(self, device_id: str) -> DeviceLog | None:
        """Return a device's lines, or None."""
        document = cast(bytes | None, self._client.get(keyspace.device_log(device_id)))
        return parsed(DeviceLog, document) if document else None

    def delete(self, device_id: str) -> None:
        """Remove a device's lines."""
        self._client.delete(keyspace.device_log(device_id))
