"""Keys: who may call what."""

from collections.abc import Iterator

from cloud.client.connection import Connection, each
from cloud.client.pages import Page
from cloud.contract import IssuedKey, Key, KeyChange, NewKey, OwnKey


class Keys(Connection):
    """Operations on keys."""

    def get_own_key(self) -> OwnKey:
        """Read the caller's own key: its name, role and gate."""
        return self._one(OwnKey, "GET", "/v1/keys/me")

    def list_keys(
        self, *, gate: str | None = None, limit: int | None = None, after: str | None = None
    ) -> Page[Key]:
        """Read all keys, without their secrets.

        Args:
            gate: Of this gate alone.
            limit: How many at most, 1 to 200; None: all, up to 10,000.
            after: The `next` of the page before.

        Returns:
            The page.
        """
        return self._list(Key, "/v1/keys", gate=gate, limit=limit, after=after)

    def iter_keys(self, *, gate: str | None = None) -> Iterator[Key]:
        """Read all keys, page after page."""
        return each(lambda cursor: self.list_keys(gate=gate, after=cursor))

    def create_key(self, new: NewKey) -> IssuedKey:
        """Make a key; it is shown only here."""
        return self._one(IssuedKey, "POST", "/v1/keys", body=new)

    def change_key(self, key_id: str, change: KeyChange) -> Key:
        """Rename a key, or give it another expiry."""
        return self._one(Key, "PATCH", "/v1/keys/{}", key_id, body=change)

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key."""
        self._ask("DELETE", "/v1/keys/{}", key_id)
