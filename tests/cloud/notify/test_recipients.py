"""Addresses of chats and mailboxes: what can be reached is accepted, everything else is named."""

import pytest

from cloud.errors import DeliveryImpossible
from cloud.notify.recipients import check_chat, check_mailbox


@pytest.mark.parametrize("address", ["42", "-1001234567890", "@maskgate_news", str(2**52 - 1)])
def test_a_chat_is_an_id_or_the_public_name_of_a_channel(address: str) -> None:
    check_chat(address)


@pytest.mark.parametrize("address", ["0", "042", "+42", "4 2", "@abc", "@1abcde", str(2**52), "-"])
def test_an_address_that_no_chat_has_is_refused_with_the_way_to_find_one(address: str) -> None:
    with pytest.raises(DeliveryImpossible, match="/start"):
        check_chat(address)


@pytest.mark.parametrize("address", ["guard@example.org", "a.b+c@mail.example.org"])
def test_a_mailbox_is_a_name_and_a_domain(address: str) -> None:
    check_mailbox(address)


@pytest.mark.parametrize(
    "address",
    [
        "guard",
        "guard@",
        "@example.org",
        "guard@localhost",
        "guard@10.0.0.1",
        "guard(of the door)@example.org",
        "Guard <guard@example.org>",
        "guard@example.org\n",
        f"{'a' * 65}@example.org",
        f"guard@{'a.' * 130}org",
    ],
)
def test_an_address_that_no_mailbox_has_is_refused(address: str) -> None:
    with pytest.raises(DeliveryImpossible, match="not an e-mail address"):
        check_mailbox(address)
