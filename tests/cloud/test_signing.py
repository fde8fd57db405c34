"""A signature vouches for one token, one gate and one expiry, and the code stays readable."""

from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
import zxingcpp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from cloud import qr
from cloud.contract.passes import TOKEN_ALPHABET, TOKEN_LENGTH
from cloud.contract.signed_passes import PassClaim, SignedPass, from_base64url
from cloud.settings import Settings
from cloud.signing import PassSigner
from cloud.tokens import token_in

TOKEN = "7Kq2mXw9RtB4z"
GATE = "main"
EXPIRES = datetime(2026, 3, 2, 8, 20, tzinfo=UTC)
PUBLIC_URL = "https://gate.example.org"

tokens = st.text(TOKEN_ALPHABET, min_size=TOKEN_LENGTH, max_size=TOKEN_LENGTH)
gates = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


def verify(signer: PassSigner, signed: SignedPass) -> None:
    key = Ed25519PublicKey.from_public_bytes(from_base64url(signer.public_text))
    key.verify(signed.signature, signed.claim.message)


@pytest.mark.parametrize("public_url", [None, PUBLIC_URL])
def test_the_text_of_the_code_gives_the_claim_back(public_url: str | None) -> None:
    signer = PassSigner.generate()
    signed = signer.sign(TOKEN, GATE, EXPIRES)
    text = qr.payload(TOKEN, public_url, signed)
    found = SignedPass.read(text)
    assert found == signed
    assert found is not None
    assert found.claim.expires_at == EXPIRES
    verify(signer, found)


@given(tokens, gates, st.integers(0, 10**11))
def test_every_claim_is_read_back(token: str, gate: str, expiry: int) -> None:
    signed = SignedPass(PassClaim(token, gate, expiry), bytes(range(64)))
    assert SignedPass.read(token + signed.suffix) == signed
    assert SignedPass.read(f"{PUBLIC_URL}/p/{token}{signed.suffix}\r\n") == signed


@given(tokens, gates)
def test_the_cloud_reads_the_token_of_a_signed_code(token: str, gate: str) -> None:
    signed = PassSigner.generate().sign(token, gate, EXPIRES)
    assert token_in(qr.payload(token, None, signed)) == token
    assert token_in(qr.payload(token, PUBLIC_URL, signed)) == token


@pytest.mark.parametrize(
    "claim",
    [
        PassClaim("8Kq2mXw9RtB4z", GATE, int(EXPIRES.timestamp())),
        PassClaim(TOKEN, "side", int(EXPIRES.timestamp())),
        PassClaim(TOKEN, GATE, int(EXPIRES.timestamp()) + 3600),
    ],
    ids=["token", "gate", "expiry"],
)
def test_a_signature_is_good_for_its_own_claim_alone(claim: PassClaim) -> None:
    signer = PassSigner.generate()
    signed = signer.sign(TOKEN, GATE, EXPIRES)
    with pytest.raises(InvalidSignature):
        verify(signer, SignedPass(claim, signed.signature))


@pytest.mark.parametrize(
    "text", ["", TOKEN, f"{PUBLIC_URL}/p/{TOKEN}", f"{TOKEN}#main.1.short", "no pass at all"]
)
def test_a_code_without_a_signature_makes_no_claim(text: str) -> None:
    assert SignedPass.read(text) is None


def test_the_key_survives_its_setting() -> None:
    signer = PassSigner.generate()
    again = PassSigner.of_setting(
        Settings(pass_signing_key=SecretStr(signer.private_text)).pass_signing_key
    )
    assert again is not None
    assert again.public_text == signer.public_text


@pytest.mark.parametrize("text", ["short", "*" * 43, "ä" * 43])
def test_a_setting_that_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValidationError, match="signing-keys create") as refused:
        Settings(pass_signing_key=SecretStr(text))
    assert text not in str(refused.value)


def test_a_signed_code_has_61_modules_at_most_and_is_read_from_a_small_screen() -> None:
    signed = PassSigner.generate().sign(TOKEN, "north-entrance", EXPIRES)
    text = qr.payload(TOKEN, PUBLIC_URL, signed)
    picture = cv2.imdecode(np.frombuffer(qr.png(text), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    modules = picture.shape[0] // qr.SCALE
    assert modules <= 61
    # A phone of 60 mm, seen by a camera that gives it 240 pixels, a little out of focus.
    seen = cv2.resize(picture, (240, 240), interpolation=cv2.INTER_AREA)
    seen = cv2.GaussianBlur(seen, (3, 3), 0.6)
    (code,) = zxingcpp.read_barcodes(seen)
    assert code.text == text
