"""Tokens are drawn evenly, and found in what scanners read and people paste."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.contract.passes import TOKEN_ALPHABET, TOKEN_LENGTH
from cloud.tokens import new_token, token_in

any_token = st.text(TOKEN_ALPHABET, min_size=TOKEN_LENGTH, max_size=TOKEN_LENGTH)


def test_tokens_are_of_the_alphabet_and_differ() -> None:
    made = {new_token() for _ in range(500)}
    assert len(made) == 500
    assert all(len(token) == TOKEN_LENGTH for token in made)
    assert set("".join(made)) == set(TOKEN_ALPHABET)


@given(any_token)
def test_a_token_is_read_bare_and_from_its_address(token: str) -> None:
    for scanned in (
        token,
        f" {token}\r\n",
        f"https://gate.example.org/p/{token}",
        f"HTTP://gate.example.org:8000/under/p/{token}/?from=mail",
    ):
        assert token_in(scanned) == token


TOKEN = "7Kq2mXw9RtB4z"
ADDRESS = f"https://gate.example.org/p/{TOKEN}"


@pytest.mark.parametrize(
    "scanned",
    [
        f"]Q1{TOKEN}",
        f"]Q1{ADDRESS}",
        f"\x02{TOKEN}\x03",
        f"{TOKEN}\r\n{TOKEN}\r\n",
        f"{TOKEN}\r\n{ADDRESS}",
        f"https://t.me/maskgate_bot?start=gate_abc\n{ADDRESS}",
        f"https://t.me/maskgate_bot?start=gate_abc\n{TOKEN}",
        f"entertainment: my pass is <{ADDRESS}>, thank you",
        f"{ADDRESS}.",
    ],
)
def test_a_token_is_read_with_what_scanners_and_people_put_around_it(scanned: str) -> None:
    assert token_in(scanned) == TOKEN


@pytest.mark.parametrize(
    "scanned",
    [
        f"{TOKEN}\n8Kq2mXw9RtB4z",
        f"{ADDRESS} https://gate.example.org/p/8Kq2mXw9RtB4z",
        f"{TOKEN} 8Kq2mXw9RtB4z",
        "entertainment today",
        f"ftp://gate.example.org/p/{TOKEN}",
        f"{TOKEN}{TOKEN}",
    ],
)
def test_nothing_is_chosen_of_several_tokens_or_of_ordinary_words(scanned: str) -> None:
    assert token_in(scanned) is None


@given(st.text())
def test_reading_any_text_gives_a_token_or_nothing(text: str) -> None:
    found = token_in(text)
    assert found is None or (len(found) == TOKEN_LENGTH and set(found) <= set(TOKEN_ALPHABET))
