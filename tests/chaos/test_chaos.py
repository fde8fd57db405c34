"""The suite itself, as people run it, with few events."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from demo.deployment import ROOT

# RQ can lose a job if its worker and Redis are killed within the same moments. A worker looks for
# such jobs every 15 minutes (`maintenance.LOST_JOBS_INTERVAL`), so the last message may be late.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]


def test_a_short_run_loses_nothing(tmp_path: Path) -> None:
    small = ("--events", "50", "--devices", "3", "--kills", "1", "--pause", "4", "--wait", "0.2")
    more = ("--seed", "4", "--timeout", "1300", "--state", str(tmp_path / "state"))
    done = subprocess.run(
        [sys.executable, "-m", "chaos", *small, *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    tally = json.loads(line)
    print(line)
    assert tally["acknowledged"] == tally["stored"] == 50 + tally["by_edge"]
    assert tally["by_edge"] >= 2
    assert tally["passes"] == tally["admitted_events"] == tally["redeemed_once"] > 0
    assert tally["redeemed_twice"] == tally["messages_lost"] == 0
    assert tally["doubled_outside_window"] == 0
    assert tally["messages_expected"] >= 50
    assert tally["kills"] >= 7
    assert (tally["seed"], tally["rounds"], tally["faults"]) == (4, 1, [])
