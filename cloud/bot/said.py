"""What a chat said, as the bot's answers need it."""

from dataclasses import dataclass

from cloud.contract import Language


@dataclass(frozen=True, slots=True)
class Said:
    """What a chat said.

    Args:
        chat: the chat's id.
        name: of the person, or of the group or channel in whose name a person writes.
        language_code: the IETF tag of what the person's Telegram speaks; empty where not known.
        private: a chat with one person.
        message_id: Telegram's, the same when an update comes twice.
        command: without its slash; empty for a text that is no command.
        rest: what follows the command, or the text.
        person: the id of who wrote or pressed, which is also that of their private chat; empty
            where Telegram does not say who it was (a group's anonymous administrator, a channel).
        administrator: whether the person administers the group; None where nobody could tell.
        forwarded: the words are somebody else's.
    """

    chat: str
    name: str
    language_code: str
    private: bool
    message_id: int
    command: str
    rest: str
    person: str = ""
    administrator: bool | None = False
    forwarded: bool = False

    @property
    def actor(self) -> str:
        """Who did it, as the audit trail names them."""
        return f"chat:{self.person or self.chat}"


def spoken(language_code: str) -> Language:
    """Return what a person is spoken to in, by the IETF language tag of their Telegram."""
    primary = language_code.lower().partition("-")[0]
    return Language(primary) if primary in set(Language) else Language.EN
