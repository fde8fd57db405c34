"""A request of a chat: all that the bot's answers need to know of a message or a press."""

from dataclasses import dataclass

from cloud.contract import Language


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a person sent to the bot: a command, a text, a photo, or the press of a button.

    Args:
        chat: The id of the chat.
        name: The name of the person, or of the group or channel in whose name the person writes.
        language_code: The IETF language tag of the person's Telegram; empty where not known.
        private: Whether the chat is one with a single person.
        message_id: Telegram's number of the message. An update that comes twice has the same one.
        command: The command without its slash; empty where the text is no command.
        text: The text after the command, or the whole text where there is no command.
        person: The id of the person who wrote or pressed, which is also the id of their private
            chat. Empty where Telegram does not say who it was (an anonymous administrator of a
            group, a channel).
        administrator: Whether the person administers the group; None where Telegram did not say.
        forwarded: Whether somebody else wrote the words.
    """

    chat: str
    name: str
    language_code: str
    private: bool
    message_id: int
    command: str
    text: str
    person: str = ""
    administrator: bool | None = False
    forwarded: bool = False

    @property
    def actor(self) -> str:
        """The person, as the audit trail names them."""
        return f"chat:{self.person or self.chat}"


def language_of(language_code: str) -> Language:
    """Return the bot's language for an IETF language tag; English where the bot lacks it."""
    primary = language_code.lower().partition("-")[0]
    return Language(primary) if primary in set(Language) else Language.EN
