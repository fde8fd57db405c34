"""The client of a site's hub."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx
from pydantic import SecretStr, ValidationError

from edge.door.claims import Claim, ClaimAnswer
from edge.errors import HubUnreachableError

Claiming = Callable[[str, str], ClaimAnswer]
"""`HubClient.claim`, or a stand-in of it."""


@dataclass(frozen=True, slots=True)
class HubAddress:
    """The hub as a door knows it.

    Attributes:
        url: Address of the hub.
        key: That the hub wants.
        door: Name of this door.
    """

    url: str
    key: SecretStr
    door: str


class HubClient:
    """Claims passes at the hub.

    Args:
        hub: Where the hub is.
        timeout_s: Seconds after which the hub counts as away.
        transport: Sends the requests; None for the network.
    """

    def __init__(
        self,
        hub: HubAddress,
        *,
        timeout_s: float = 2.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._door = hub.door
        self._http = httpx.Client(
            base_url=hub.url,
            headers={"Authorization": f"Bearer {hub.key.get_secret_value()}"},
            timeout=timeout_s,
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def claim(self, token_sha256: str, nonce: str) -> ClaimAnswer:
        """Claim a pass for an attempt at this door.

        Args:
            token_sha256: SHA-256 of the token, in hexadecimal.
            nonce: Of the attempt.

        Returns:
            Whether the pass is granted.

        Raises:
            HubUnreachableError: The hub did not answer, or refused the key.
        """
        body = Claim(token_sha256=token_sha256, nonce=nonce, door=self._door).model_dump_json()
        try:
            answer = self._http.post("/claims", content=body)
            answer.raise_for_status()
            return ClaimAnswer.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise HubUnreachableError(
                f"the hub cannot be asked: {type(error).__name__}",
                "Check EDGE_DOOR_HUB and EDGE_DOOR_HUB_KEY, and that the hub runs",
            ) from error
