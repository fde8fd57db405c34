"""What every channel implements: a message, and the notifier that sends it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Message:
    """One text to one address.

    Args:
        address: The address.
        text: The text; the first line is the subject of a mail. A webhook's body in JSON.
        qr_png: The picture of a QR code, if the message shows one.
        id: The id of the message, the same at every try: the other side may recognise a
            repetition by it.
        html: The text as HTML, for channels that can show it.
        silent: Whether the message arrives without a sound, in Telegram.
        acknowledge: The data that the button `I take care of it` sends; None for no button.
        button: The text on that button.
        secrets: The secrets with which a webhook's body is signed, the newest first.
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
    """Edits messages that were sent."""

    def edit(self, address: str, message_id: int, text: str) -> None:
        """Replace a message by a text without a button; the same edit again changes nothing.

        Args:
            address: The address of the message.
            message_id: The id that `Notifier.send` returned for the message.
            text: The new text.

        Raises:
            DeliveryPostponed: Another try may succeed.
            DeliveryImpossible: No other try will succeed.
        """


class Notifier(Protocol):
    """Sends messages over one channel."""

    def send(self, message: Message) -> str:
        """Send one message, and return once the other side has taken it over.

        Args:
            message: The message.

        Returns:
            The other side's id of the message, or an empty text.

        Raises:
            DeliveryPostponed: Another try may succeed.
            DeliveryImpossible: No other try will succeed.
        """

    def close(self) -> None:
        """Close the connections."""
