from pathlib import Path

import pytest
from pydantic import SecretStr

from edge import identity
from edge.errors import NotEnrolledError
from edge.identity import Identity

WHO = Identity(
    device_id="d1", device_key=SecretStr("the-secret"), gate="main", cloud_url="https://a.example"
)


def test_it_comes_back_as_it_was_and_its_owner_alone_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "device.json"
    identity.save(WHO, path)
    assert identity.load(path) == WHO
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["device.json"]


def test_the_key_is_in_no_repr() -> None:
    assert "the-secret" not in f"{WHO!r} {WHO}"


def test_who_is_not_enrolled_is_told_how_to_be(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolledError) as caught:
        identity.load(tmp_path / "device.json")
    assert "python -m edge enrol" in caught.value.mend


@pytest.mark.parametrize("content", ["", "{}", '{"device_key": "the-secret", "gate": 7}'])
def test_a_damaged_file_is_named_and_its_key_is_not(tmp_path: Path, content: str) -> None:
    path = tmp_path / "device.json"
    path.write_text(content)
    with pytest.raises(NotEnrolledError) as caught:
        identity.load(path)
    assert str(path) in caught.value.problem
    assert "the-secret" not in str(caught.value)
    assert caught.value.__suppress_context__
