"""What a client may ask of a connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask of a connection. Times are seconds."""

    connections: int = 1000
    """Connections at a time. Past it, the one that has waited longest for a request makes room."""

    head_bytes: int = 16 * 1024
    """Request line and header fields together."""

    target_bytes: int = 8 * 1024
    """The request target (RFC 9112 section 3 recommends to take 8,000 octets at least)."""

    fields: int = 100
    """Header fields."""

    framing_bytes: int = 64 * 1024
    """Chunk sizes, chunk extensions and trailers of one body."""

    ahead: int = 16
    """Requests that may wait while one is answered; the connection ends after these."""

    head_s: float = 10
    """From the first byte of a request, or from the connection's beginning, to the head's end."""

    idle_s: float = 10
    """Between two parts of a body."""

    body_s: float = 30
    """From the head's end to the body's end."""

    unread_s: float = 30
    """In which a client must read some of the answer: `unread_bytes`, or all that waits for it."""

    unread_bytes: int = 32 * 1024
    """See `unread_s`."""

    hurry_s: float = 2
    """Instead of the longer ones of these, once the process is to end."""

    linger_s: float = 2
    """For which a refused client may go on sending, so that it comes to read the refusal."""

    linger_bytes: int = 256 * 1024
    """How much of that is read."""
