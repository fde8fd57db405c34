"""A door goes on where nobody can read what it writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.lossy_output import LossyOutput
from tests.edge.cloud_double import CloudDouble
from tests.edge.test_main import ROOT, clip

__all__ = ["clip"]

RUN = '"$0" -m edge run --as-fast-as-possible --source "$1"'


@pytest.mark.parametrize(
    "where", ["> /dev/full 2>&1", "2>&1 | true"], ids=["a full device", "a closed pipe"]
)
@pytest.mark.parametrize("log_json", ["false", "true"])
def test_a_run_whose_output_cannot_be_written_goes_on(
    installed: Path, cloud: CloudDouble, clip: Path, where: str, log_json: str
) -> None:
    ended = subprocess.run(
        ["bash", "-c", f"{RUN} {where}; exit ${{PIPESTATUS[0]}}", sys.executable, str(clip)],
        env={**os.environ, "EDGE_LOG_JSON": log_json},
        cwd=ROOT,
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0
    assert len(cloud.events) == 2


def test_lost_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LossyOutput, "lost", 0)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        output = LossyOutput("stdout")
        assert output.write("a line\n") == 7
        output.flush()
        assert LossyOutput.lost == 1
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # closing flushes again
