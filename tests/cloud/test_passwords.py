import argon2
import pytest

from cloud import passwords
from cloud.errors import PasswordWeak, StoreFault


def test_a_hash_takes_the_work_that_rfc_9106_asks_for() -> None:
    asked = argon2.profiles.RFC_9106_LOW_MEMORY
    assert asked.type is argon2.Type.ID
    assert (asked.memory_cost, asked.time_cost, asked.parallelism) == (65536, 3, 4)
    assert asked == passwords.WORK


def test_a_password_matches_its_own_hash_alone() -> None:
    kept = passwords.hashed("seven quiet herons")
    assert kept != passwords.hashed("seven quiet herons")
    assert passwords.matches(kept, "seven quiet herons")
    assert not passwords.matches(kept, "seven quiet heron")
    assert not passwords.matches(None, "seven quiet herons")


def test_a_hash_that_cannot_be_read_is_a_fault_and_no_mismatch() -> None:
    with pytest.raises(StoreFault):
        passwords.matches("plain", "plain")


def test_a_hash_of_other_work_is_outdated() -> None:
    weak = argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("x")
    assert passwords.outdated(weak)
    assert not passwords.outdated(passwords.hashed("x"))


@pytest.mark.parametrize(
    "password", ["seven quiet herons at dusk", "żółć gęślą jaźń 🎭", "Xk9#mQ2$vL7p"]
)
def test_a_good_password_passes(password: str) -> None:
    passwords.check(password, "Ana")


@pytest.mark.parametrize(
    "password", ["", "elevenchars", "x" * 73, "123456789012", "passwordpassword", "ana.lopez2026"]
)
def test_a_weak_password_is_refused_with_what_to_do(password: str) -> None:
    with pytest.raises(PasswordWeak, match="password: "):
        passwords.check(password, "ana.lopez")


def test_passwords_that_are_made_are_good_and_differ() -> None:
    made = {passwords.generated() for _ in range(20)}
    assert len(made) == 20
    for password in made:
        passwords.check(password, "Ana")
