from collections.abc import Iterator

import pytest

from cloud.errors import (
    ChatMoved,
    DeliveryImpossible,
    DeliveryPostponed,
    DeliveryThrottled,
    SubscriberGone,
)
from cloud.notify.base import Message
from cloud.notify.telegram import LONGEST_CAPTION, LONGEST_TEXT, TelegramNotifier, cut
from tests.doubles.bot_api import BotApiDouble


@pytest.fixture
def api() -> Iterator[BotApiDouble]:
    with BotApiDouble() as double:
        yield double


@pytest.fixture
def telegram(api: BotApiDouble) -> Iterator[TelegramNotifier]:
    notifier = TelegramNotifier(api.token, api.url, answer_timeout_s=60)
    yield notifier
    notifier.close()


def test_a_pass_goes_as_a_photo_with_a_caption(
    api: BotApiDouble, telegram: TelegramNotifier
) -> None:
    telegram.send(Message("42", "Your pass", b"\x89PNG picture"))
    (photo,) = api.photos
    assert (photo.chat_id, photo.caption, photo.photo) == ("42", "Your pass", b"\x89PNG picture")
    assert api.messages == []


def test_a_refusal_goes_as_text(api: BotApiDouble, telegram: TelegramNotifier) -> None:
    telegram.send(Message("-100200300", "Refused: cover your nose <b>& mouth</b>"))
    telegram.send(Message("@the_door", "Refused"))
    assert [message.chat_id for message in api.messages] == ["-100200300", "@the_door"]
    assert api.messages[0].text == "Refused: cover your nose <b>& mouth</b>"


def test_a_flood_is_postponed_for_as_long_as_telegram_says(
    api: BotApiDouble, telegram: TelegramNotifier
) -> None:
    api.flood(retry_after=7)
    with pytest.raises(DeliveryThrottled) as raised:
        telegram.send(Message("42", "Refused"))
    assert raised.value.retry_after_s == 7
    telegram.send(Message("42", "Refused"))
    assert len(api.messages) == 1


@pytest.mark.parametrize("absurd", [10**18, -5, 10**9])
def test_an_absurd_flood_is_postponed_and_breaks_nothing(
    api: BotApiDouble, telegram: TelegramNotifier, absurd: int
) -> None:
    api.flood(retry_after=absurd)
    with pytest.raises(DeliveryPostponed):
        telegram.send(Message("42", "Refused"))
    telegram.send(Message("42", "Refused"))
    assert len(api.messages) == 1


def test_a_429_without_a_time_is_no_breakdown(
    api: BotApiDouble, telegram: TelegramNotifier
) -> None:
    api.refuse(429, "Too Many Requests")
    with pytest.raises(DeliveryThrottled) as raised:
        telegram.send(Message("42", "Refused"))
    assert raised.value.retry_after_s is None


def test_a_breakdown_is_postponed(api: BotApiDouble, telegram: TelegramNotifier) -> None:
    api.break_down()
    with pytest.raises(DeliveryPostponed):
        telegram.send(Message("42", "Refused"))


def test_a_server_that_hangs_is_given_up_on_and_postponed(api: BotApiDouble) -> None:
    api.hang()
    notifier = TelegramNotifier(api.token, api.url, answer_timeout_s=0.5)
    with pytest.raises(DeliveryPostponed):
        notifier.send(Message("42", "Refused"))
    notifier.close()


def test_an_unreachable_server_is_postponed(api: BotApiDouble) -> None:
    with BotApiDouble() as gone:
        url = gone.url
    notifier = TelegramNotifier(api.token, url)
    with pytest.raises(DeliveryPostponed):
        notifier.send(Message("42", "Refused"))
    notifier.close()


@pytest.mark.parametrize(
    ("status", "description"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: user is deactivated"),
        (403, "Forbidden: bot was kicked from the supergroup chat"),
        (400, "Bad Request: chat not found"),
        (400, "Bad Request: group chat was deactivated"),
        (400, "Bad Request: not enough rights to send text messages to the chat"),
    ],
)
def test_a_chat_that_cannot_be_reached_is_gone(
    api: BotApiDouble, telegram: TelegramNotifier, status: int, description: str
) -> None:
    api.refuse(status, description)
    with pytest.raises(SubscriberGone, match=f"(?i){description.partition(': ')[2]}"):
        telegram.send(Message("42", "Refused"))


def test_a_message_that_is_refused_is_no_fault_of_its_chat(
    api: BotApiDouble, telegram: TelegramNotifier
) -> None:
    api.refuse(400, "Bad Request: can't parse entities")
    with pytest.raises(DeliveryImpossible) as raised:
        telegram.send(Message("42", "Refused"))
    assert not isinstance(raised.value, SubscriberGone)


def test_a_chat_that_has_moved_is_told_apart(api: BotApiDouble, telegram: TelegramNotifier) -> None:
    api.migrate("-42", "-10042")
    with pytest.raises(ChatMoved) as raised:
        telegram.send(Message("-42", "Refused"))
    assert raised.value.chat == "-10042"


@pytest.mark.parametrize(
    ("text", "longest", "cut_to"),
    [
        ("a" * 4096, LONGEST_TEXT, "a" * 4096),
        ("a" * 4097, LONGEST_TEXT, "a" * 4095 + "…"),
        # Letters beyond the basic plane count twice, and none is cut in half.
        ("😷" * 512, LONGEST_CAPTION, "😷" * 512),
        ("😷" * 513, LONGEST_CAPTION, "😷" * 511 + "…"),
    ],
)
def test_a_text_that_is_too_long_for_telegram_is_cut(text: str, longest: int, cut_to: str) -> None:
    assert cut(text, longest) == cut_to
    assert len(cut(text, longest).encode("utf-16-le")) <= 2 * longest


def test_an_edit_that_changes_nothing_succeeds(
    api: BotApiDouble, telegram: TelegramNotifier
) -> None:
    telegram.edit("42", 7, "Ada takes care of it")
    (edit,) = api.edits
    assert (edit.chat_id, edit.message_id, edit.text) == ("42", 7, "Ada takes care of it")
    same = "Bad Request: message is not modified: specified new message content is the same"
    api.refuse_calls("editMessageText", 400, same)
    telegram.edit("42", 7, "Ada takes care of it")
    api.refuse_calls("editMessageText", 400, "Bad Request: message to edit not found")
    with pytest.raises(DeliveryImpossible, match="to edit not found"):
        telegram.edit("42", 8, "Ada takes care of it")


def test_a_wrong_token_is_final_and_not_repeated(api: BotApiDouble) -> None:
    notifier = TelegramNotifier("654321:not-this-one", api.url)
    with pytest.raises(DeliveryImpossible, match="CLOUD_TELEGRAM_TOKEN") as raised:
        notifier.send(Message("42", "Refused"))
    notifier.close()
    assert "not-this-one" not in str(raised.value)
