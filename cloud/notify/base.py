"""What every channel offers."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One text to one address, with the picture of a QR code or without."""

    address: str
    text: str
    qr_png: bytes | None = None

    def __repr__(self) -> str:
        return f"Message({len(self.text)} letters, {'with' if self.qr_png else 'without'} a code)"


class Notifier(Protocol):
    """A way to reach subscribers.

    `send` returns once the other side has taken the message over. It raises DeliveryPostponed
    where another try may succeed, and DeliveryImpossible where none will.
    """

    def send(self, message: Message) -> None:
        """Send one message."""

    def close(self) -> None:
        """Give connections back."""
