"""A disk that is full, for the code that writes to it."""

import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def under_limit(code: str, limit: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code that may write no file over `limit` bytes: a full disk looks the same."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": str(ROOT), "PATH": "", "MPLCONFIGDIR": "/nonexistent"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
