from pathlib import Path

import pytest

from edge.errors import EdgeError
from edge.state import make_folder, write_private


def test_a_file_is_replaced_whole_and_its_owner_alone_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "device.json"
    write_private("first", path)
    write_private("second", path)
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["device.json"]


def test_a_folder_that_cannot_be_written_is_named_before_a_code_is_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EdgeError, match="cannot be written"):
        make_folder(tmp_path / "file" / "device.json")
    with pytest.raises(EdgeError, match="EDGE_STATE_DIR"):
        write_private("x", tmp_path / "file" / "device.json")
