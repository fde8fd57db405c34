"""Passwords of accounts: hashed with argon2id, refused where they are easily guessed."""

import secrets
import threading
from typing import Final

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from zxcvbn import zxcvbn

from cloud.contract.accounts import PASSWORD_LENGTHS
from cloud.contract.passes import TOKEN_ALPHABET
from cloud.errors import PasswordWeak, StoreFault

LEAST_SCORE = 3
"""Of zxcvbn's 0 to 4: "safely unguessable", over 10^8 guesses (Wheeler, USENIX Security 2016)."""

GENERATED_LENGTH = 20
"""20 letters of 58 are 117 bits."""

AT_ONCE = 3
"""Hashes made at a time: each takes 64 MiB for some 50 ms, and anybody may ask for one."""

WORK: Final = argon2.profiles.RFC_9106_LOW_MEMORY
"""argon2id, the second choice of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes."""

_hasher: Final = argon2.PasswordHasher.from_parameters(WORK)

_turns: Final = threading.BoundedSemaphore(AT_ONCE)
_estimate: Final = threading.Lock()
_of_nobody: Final = _hasher.hash(secrets.token_hex(16))


def hashed(password: str) -> str:
    """Return what is kept of a password: algorithm, parameters, salt and hash."""
    with _turns:
        return _hasher.hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Return whether a password is the one that a stored hash was made of.

    Args:
        kept: The stored hash; None for an account that does not exist, which takes the same time.
        password: The password.

    Returns:
        Whether they match; False for None.

    Raises:
        StoreFault: The stored hash cannot be read.
    """
    with _turns:
        try:
            return _hasher.verify(kept or _of_nobody, password) and kept is not None
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            raise StoreFault("a kept password hash cannot be read") from error


def outdated(kept: str) -> bool:
    """Return whether a hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(kept)


def generated() -> str:
    """Return a new password, for an account whose maker gave none."""
    return "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(GENERATED_LENGTH))


def check(password: str, name: str) -> None:
    """Refuse a password that is easily guessed.

    Args:
        password: The password.
        name: The name of the account, which the password must not repeat.

    Raises:
        PasswordWeak: The password is too short, too long or easily guessed; the text says what to
            do.
    """
    least, most = PASSWORD_LENGTHS
    if not least <= len(password) <= most:
        raise PasswordWeak(f"password: give {least} to {most} letters; a few words will do")
    # zxcvbn keeps what it was last told of the user in a table that all threads share.
    with _estimate:
        found = zxcvbn(password, user_inputs=[name, *name.split(), "maskgate"], max_length=most)
    if found["score"] < LEAST_SCORE:
        said = found["feedback"]
        hints = " ".join(text for text in (said["warning"], *said["suggestions"]) if text)
        raise PasswordWeak(f"password: this one is easily guessed. {hints}".strip())
