"""What every channel offers."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Message:
    """One text to one address, with the picture of a QR code or without.

    Args:
        id: its name, the same at every try: what the other side may know a repetition by.
        html: the same as `text` for channels that can show it.
        silent: without a sound, in Telegram.
        acknowledge: what a button `I take care of it` says when it is pressed; none without.
        secrets: what a webhook's body is signed with, the newest first.
    """

    address: str
    text: str
    qr_png: bytes | None = None
    id: str = ""
    html: str | None = None
    silent: bool = False
    acknowledge: str | None = None
    button: str = ""
    secrets: tuple[SecretStr, ...] = ()

    def __repr__(self) -> str:
        return f"Message({len(self.text)} letters, {'with' if self.qr_png else 'without'} a code)"


@runtime_checkable
class AlertEditor(Protocol):
    """A way to change what was sent."""

    def edit(self, address: str, message_id: int, text: str) -> None:
        """Put a text without a button in a message's place; the same again changes nothing.

        Raises DeliveryPostponed and DeliveryImpossible as a Notifier does.
        """


class Notifier(Protocol):
    """A way to reach subscribers.

    `send` returns once the other side has taken the message over. It raises DeliveryPostponed
    where another try may succeed, and DeliveryImpossible where none will.
    """

    def send(self, message: Message) -> str:
        """Send one message; return the other side's name for it, or nothing."""

    def close(self) -> None:
        """Give connections back."""
