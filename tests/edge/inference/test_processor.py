import os
import platform
from pathlib import Path

import pytest

from edge.inference import processor
from edge.inference.processor import Parallelism, parallelism
from edge.settings import Precision


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512_vnni", Precision.INT8),
        ("fpu avx2 avx_vnni", Precision.INT8),
        ("fpu amx_int8", Precision.INT8),
        ("fpu avx2", Precision.INT8),
        ("fpu avx sse4_2", Precision.FP16),
        ("", Precision.FP16),
    ],
)
def test_eight_bits_suit_a_processor_with_fast_instructions_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, expected: Precision
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert processor.preferred_precision("CPU", cpuinfo) is expected
    assert processor.preferred_precision("GPU", cpuinfo) is Precision.FP16
    assert processor.preferred_precision("CPU", tmp_path / "nowhere") is Precision.FP16
    # An ARM processor may well have such instructions under names of its own.
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert processor.preferred_precision("CPU", cpuinfo) is Precision.FP16


def test_one_thread_serves_a_request_on_a_fast_processor_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)))
    fast, slow = tmp_path / "fast", tmp_path / "slow"
    fast.write_text("flags\t\t: fpu avx avx2\n")
    slow.write_text("flags\t\t: fpu sse4_2\n")
    assert parallelism(None, cpuinfo=fast) == Parallelism(1, 4)
    assert parallelism(None, cpuinfo=slow) == Parallelism(None, 1)
    assert parallelism(None, "GPU", fast) == Parallelism(None, 1)
    assert parallelism(6, cpuinfo=slow) == Parallelism(6, 6)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert parallelism(None, cpuinfo=fast) == Parallelism(None, 1)
