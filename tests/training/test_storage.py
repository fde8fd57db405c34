from pathlib import Path

import pytest

from tests.training.full_disk import under_limit
from training.errors import StorageError
from training.storage import atomic_write


def test_a_file_appears_whole_and_replaces_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "folder/file"
    for content in (b"one", b"two"):
        with atomic_write(path) as out:
            out.write(content)
            assert not path.exists() or path.read_bytes() == b"one"
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_what_fails_in_the_middle_leaves_the_earlier_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    with pytest.raises(TypeError), atomic_write(path) as out:
        out.writelines([b"tw", None])  # type: ignore[list-item]
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_up_is_named_with_its_mend(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    code = (
        "import sys; from pathlib import Path; from training.storage import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as out: out.write(b'x' * 100_000)"
    )
    done = under_limit(code, 50_000, str(path))
    assert "StorageError" in done.stderr
    assert "the disk is full" in done.stderr
    assert "free some space" in done.stderr
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_place_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="Name a folder"), atomic_write(tmp_path / "file/inside"):
        pass
