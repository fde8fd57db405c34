"""Accounts and sessions: people who sign in with a name and a password."""

from collections.abc import Iterator

from pydantic import SecretStr

from cloud.client.connection import Connection, each
from cloud.client.pages import Page
from cloud.contract import Account, Credentials, IssuedAccount, NewAccount, NewPassword, Session


class Accounts(Connection):
    """Operations on accounts, and on the session of a connection without a key."""

    def list_accounts(
        self, *, gate: str | None = None, limit: int | None = None, after: str | None = None
    ) -> Page[Account]:
        """Read all accounts.

        Args:
            gate: Of this gate alone.
            limit: How many at most, 1 to 200; None: all, up to 10,000.
            after: The `next` of the page before.

        Returns:
            The page.
        """
        return self._list(Account, "/v1/accounts", gate=gate, limit=limit, after=after)

    def iter_accounts(self, *, gate: str | None = None) -> Iterator[Account]:
        """Read all accounts, page after page."""
        return each(lambda cursor: self.list_accounts(gate=gate, after=cursor))

    def create_account(self, new: NewAccount) -> IssuedAccount:
        """Make an account; a password that was made for it is shown only here."""
        return self._one(IssuedAccount, "POST", "/v1/accounts", body=new)

    def delete_account(self, account_id: str) -> None:
        """Delete an account and end its sessions."""
        self._ask("DELETE", "/v1/accounts/{}", account_id)

    def set_password(self, account_id: str, new: NewPassword) -> None:
        """Replace the password of an account."""
        self._ask("PUT", "/v1/accounts/{}/password", account_id, body=new)

    def create_session(self, credentials: Credentials) -> Session:
        """Sign in. Later requests without a key belong to the session."""
        session = self._one(Session, "POST", "/v1/sessions", body=credentials)
        self._csrf_token = SecretStr(session.csrf_token)
        return session

    def get_session(self) -> Session:
        """Read the session of this connection."""
        return self._one(Session, "GET", "/v1/sessions/me")

    def end_session(self) -> None:
        """End this session."""
        self._ask("DELETE", "/v1/sessions/me")
        self._csrf_token = None

    def end_all_sessions(self) -> None:
        """End all sessions of the account, this one too."""
        self._ask("DELETE", "/v1/sessions")
        self._csrf_token = None

    def change_own_password(self, new: NewPassword) -> None:
        """Replace one's own password; all sessions of the account end, this one too."""
        self._ask("PUT", "/v1/sessions/me/password", body=new)
        self._csrf_token = None
