"""Addresses of recipients, as people type them: a chat's id, a mailbox. They are checked here."""

import re
from email.errors import MessageError
from email.headerregistry import Address
from typing import Final

from cloud.errors import DeliveryImpossible
from cloud.notify.hosts import is_mail_domain

_CHAT: Final = re.compile(r"-?[1-9][0-9]{0,19}|@[A-Za-z][A-Za-z0-9_]{4,31}")
"""A chat's id (groups have negative ones), or the public name of a channel."""

_CHAT_IDS_END: Final = 2**52
"""The Bot API's ids have at most 52 significant bits (https://core.telegram.org/bots/api#chat)."""


def check_chat(address: str) -> None:
    """Check the address of a chat in Telegram.

    Args:
        address: A chat's id, or the public name of a channel with its @.

    Raises:
        DeliveryImpossible: No chat can have this address.
    """
    is_name = address.startswith("@")
    if _CHAT.fullmatch(address) is None or not (is_name or abs(int(address)) < _CHAT_IDS_END):
        raise DeliveryImpossible("give the chat's id, which the bot tells on /start, or @channel")


def check_mailbox(address: str) -> None:
    """Check the address of a mailbox.

    Args:
        address: The address, as `name@domain` alone.

    Raises:
        DeliveryImpossible: No mail can be sent to this address.
    """
    try:
        parsed = Address(addr_spec=address)
    except (ValueError, MessageError, IndexError) as error:
        raise DeliveryImpossible("this is not an e-mail address") from error
    # RFC 5321 section 4.5.3.1: a path has at most 256 octets with its brackets, and the part before
    # the @ at most 64.
    if (
        not parsed.username
        or parsed.addr_spec != address  # it holds a comment, or is written in two ways
        or not is_mail_domain(parsed.domain)
        or not address.isprintable()
        or len(address.encode()) > 254
        or len(parsed.username.encode()) > 64
    ):
        raise DeliveryImpossible("this is not an e-mail address")
