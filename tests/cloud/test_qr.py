import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud import qr
from cloud.contract.passes import TOKEN_ALPHABET, TOKEN_LENGTH

tokens = st.text(TOKEN_ALPHABET, min_size=TOKEN_LENGTH, max_size=TOKEN_LENGTH)
TOKEN = "7Kq2mXw9RtB4z"


def read(image: bytes) -> str:
    picture = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    # OpenCV's own reader misses a code now and then.
    (code,) = zxingcpp.read_barcodes(picture)
    return str(code.text)


def test_the_code_says_the_bare_token_without_a_public_address() -> None:
    assert qr.payload(TOKEN, None) == TOKEN


@pytest.mark.parametrize("address", ["https://gate.example.org", "https://gate.example.org/"])
def test_the_code_says_the_address_of_the_pass_where_one_is_known(address: str) -> None:
    assert qr.payload(TOKEN, address) == f"https://gate.example.org/p/{TOKEN}"


@pytest.mark.parametrize("public_url", [None, "https://gate.example.org"])
def test_the_png_reads_back(public_url: str | None) -> None:
    content = qr.payload(TOKEN, public_url)
    assert read(qr.png(content)) == content


@settings(max_examples=25)
@given(tokens)
def test_every_token_can_be_drawn_and_the_same_way_twice(token: str) -> None:
    assert qr.png(token) == qr.png(token)
    assert qr.png(token).startswith(b"\x89PNG\r\n")


def test_the_svg_scales_to_its_viewer_on_white() -> None:
    document = qr.svg(TOKEN).decode()
    assert "viewBox" in document
    assert "#fff" in document
    assert TOKEN not in document
