"""The machine: which weights suit its processor, and how many threads."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import openvino as ov

from edge.settings import InferencePrecision, Precision

_EIGHT_BITS = {"avx2", "avx512_vnni", "avx_vnni", "amx_int8"}
"""Linux's names of the instructions with which 8-bit models are faster. With AVX2 alone a frame
takes 0.6 of the time of 16-bit weights, and a crop 0.5. Sums of pairs of products may saturate
there; the figures of docs/edge.md, "How fast", show no harm of it."""

_MOST_STREAMS = 4
"""As many faces are judged in a frame by default."""


def preferred_precision(device: str = "CPU", cpuinfo: Path = Path("/proc/cpuinfo")) -> Precision:
    """Return the precision of weights that suits this machine.

    Args:
        device: OpenVINO's name of the device.
        cpuinfo: The file in which Linux lists the processor's instructions.

    Returns:
        INT8 for an x86 processor with instructions that make 8-bit models faster; FP16 for any
        other device, and where `cpuinfo` cannot be read.
    """
    if device != "CPU" or not _is_x86():
        return Precision.FP16
    if "INT8" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return Precision.FP16
    return Precision.INT8 if _EIGHT_BITS & _instructions(cpuinfo) else Precision.FP16


@dataclass(frozen=True, slots=True)
class Parallelism:
    """How the processors share the work.

    Attributes:
        threads: For one request of the detector; None for OpenVINO's choice.
        streams: Requests of a classifier that are computed at the same time, each by one thread.
    """

    threads: int | None
    streams: int


def parallelism(
    threads: int | None, device: str = "CPU", cpuinfo: Path = Path("/proc/cpuinfo")
) -> Parallelism:
    """Return how the processors share the work.

    Threads that share one picture wait for one another at each layer, and a waiting thread uses its
    processor. On two processors with AVX2 a frame takes 14 ms of processor time with two threads
    and 9 ms with one, which is fast enough for any camera. A slower processor needs all of its
    cores for one picture.

    Args:
        threads: That the settings ask for; None for the number that suits this machine.
        device: OpenVINO's name of the device.
        cpuinfo: The file in which Linux lists the processor's instructions.

    Returns:
        One thread for each request on an x86 processor with AVX2; OpenVINO's choice on others.
    """
    if threads is not None:
        return Parallelism(threads, threads)
    if device == "CPU" and _is_x86() and "avx2" in _instructions(cpuinfo):
        return Parallelism(1, min(len(os.sched_getaffinity(0)), _MOST_STREAMS))
    return Parallelism(None, 1)


def _is_x86() -> bool:
    return platform.machine().lower() in {"x86_64", "amd64"}


def _instructions(cpuinfo: Path) -> set[str]:
    """Return Linux's names of the processor's instructions; none if the file cannot be read."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return set(next((x.split(":", 1)[1].split() for x in lines if x.startswith("flags")), []))


def precisions(device: str = "CPU") -> set[InferencePrecision]:
    """Return the precisions in which a device computes; f32 is always one of them."""
    capabilities = ov.Core().get_property(device, "OPTIMIZATION_CAPABILITIES")
    names = {"BF16": InferencePrecision.BF16, "FP16": InferencePrecision.F16}
    return {InferencePrecision.F32, *(names[name] for name in capabilities if name in names)}
