"""Errors on the wire: problem details for HTTP APIs (RFC 9457) with a stable code."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from cloud.contract.base import Integer, Wire

PROBLEM_MEDIA_TYPE = "application/problem+json"


class ProblemCode(StrEnum):
    """Stable names that programs may act on; `title` and `detail` are for people."""

    MALFORMED_REQUEST = "malformed_request"
    BODY_TOO_LARGE = "body_too_large"
    KEY_MISSING = "key_missing"
    KEY_INVALID = "key_invalid"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    ROLE_FORBIDDEN = "role_forbidden"
    GATE_FORBIDDEN = "gate_forbidden"
    GATE_UNKNOWN = "gate_unknown"
    GATE_REQUIRED = "gate_required"
    GATE_EXISTS = "gate_exists"
    GATE_CLOSED = "gate_closed"
    GATE_IN_USE = "gate_in_use"
    EVENT_UNKNOWN = "event_unknown"
    EVENT_CONFLICT = "event_conflict"
    PASS_UNKNOWN = "pass_unknown"
    PASS_OVER = "pass_over"
    UNDO_REFUSED = "undo_refused"
    SUBSCRIBER_UNKNOWN = "subscriber_unknown"
    STAFF_UNKNOWN = "staff_unknown"
    DELIVERY_UNKNOWN = "delivery_unknown"
    DELIVERY_NOT_FAILED = "delivery_not_failed"
    KEY_UNKNOWN = "key_unknown"
    KEY_OVER = "key_over"
    DEVICE_UNKNOWN = "device_unknown"
    ENROLMENT_CODE_INVALID = "enrolment_code_invalid"
    SCREEN_UNKNOWN = "screen_unknown"
    SCREEN_CODE_INVALID = "screen_code_invalid"
    TOO_MANY_LISTENERS = "too_many_listeners"
    RATE_LIMITED = "rate_limited"
    CREDENTIALS_INVALID = "credentials_invalid"
    SESSION_INVALID = "session_invalid"
    SESSION_UNKNOWN = "session_unknown"
    CSRF_TOKEN_INVALID = "csrf_token_invalid"
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNT_EXISTS = "account_exists"
    PASSWORD_WEAK = "password_weak"
    PREVIEW_UNWANTED = "preview_unwanted"
    PREVIEW_INVALID = "preview_invalid"
    PREVIEW_ABSENT = "preview_absent"
    PREVIEW_FORBIDDEN = "preview_forbidden"
    PREVIEW_CROWDED = "preview_crowded"
    MODEL_UNKNOWN = "model_unknown"
    MODEL_INVALID = "model_invalid"
    MODELS_FULL = "models_full"
    LOG_ABSENT = "log_absent"
    FORMAT_UNAVAILABLE = "format_unavailable"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    HTTP_INVALID = "http_invalid"
    HEADER_FIELDS_TOO_LARGE = "header_fields_too_large"
    TARGET_TOO_LONG = "target_too_long"
    REQUEST_TIMEOUT = "request_timeout"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    STORE_UNAVAILABLE = "store_unavailable"
    INTERNAL = "internal"


class Problem(Wire):
    """RFC 9457 section 3.1, with `code` and `errors` as extension members (section 3.2)."""

    type: str = Field(default="about:blank", description="A page about this code, or about:blank")
    title: str
    status: Integer
    detail: str = ""
    instance: str = ""
    code: ProblemCode
    errors: list[dict[str, Any]] = Field(
        default_factory=list, description="Where in the request, and what, for malformed_request"
    )
