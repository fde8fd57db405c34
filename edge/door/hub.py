"""The hub of a site: one list of used passes for all its doors, while the cloud is away.

A door claims a pass before it opens. The hub grants each pass to one attempt.
"""

import hmac
import json
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import structlog
from pydantic import SecretStr, ValidationError

from edge.door.claims import Claim, Claims
from edge.errors import LedgerError, SettingsError

_LARGEST_BODY: Final = 4096
_REQUEST_TIMEOUT_S: Final = 5.0

_log = structlog.get_logger(__name__)


def serve(claims: Claims, key: SecretStr, host: str, port: int) -> ThreadingHTTPServer:
    """Make the hub's server; the caller runs it by `serve_forever`.

    Args:
        claims: The claimed passes.
        key: That each door must send.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.

    Returns:
        The server, which listens already.

    Raises:
        SettingsError: The port cannot be used.
    """
    wanted = f"Bearer {key.get_secret_value()}".encode()

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            # For probes: it tells nothing, so it needs no key.
            if self.path == "/healthz":
                self._answer(HTTPStatus.OK, {"status": "ok"})
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"title": "post a claim to /claims"})

        def do_POST(self) -> None:
            given = self.headers.get("Authorization", "").encode("latin-1", "replace")
            if not hmac.compare_digest(given, wanted):
                self._answer(HTTPStatus.UNAUTHORIZED, {"title": "the hub's key is wrong"})
                return
            length = self.headers.get("Content-Length", "")
            if self.path != "/claims" or not length.isdecimal() or int(length) > _LARGEST_BODY:
                self._answer(HTTPStatus.BAD_REQUEST, {"title": "post a claim to /claims"})
                return
            try:
                claim = Claim.model_validate_json(self.rfile.read(int(length)))
                answer = claims.claim(claim, datetime.now(UTC))
            except ValidationError:
                self._answer(HTTPStatus.BAD_REQUEST, {"title": "the body is no claim"})
                return
            except LedgerError as error:
                _log.error("hub_failed", error=str(error))
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"title": "the list cannot be used"})
                return
            if not answer.granted:
                _log.warning("double_use_refused", door=claim.door, used_at=answer.door)
            self._answer(HTTPStatus.OK, answer.model_dump(mode="json"))

        def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing: the log has events, and no line for each request."""

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be used: {error.strerror}", "Choose another port"
        ) from error
