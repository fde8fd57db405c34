"""Whether this container is healthy: `python probe.py [/FILE …] [ADDRESS …] [METRIC=VALUE …]`.

The exit code is 0 if each file holds a recent sign of life, one of the addresses answers 200, and
each metric has its value there, in Prometheus' text format; otherwise it is 1, with a sentence. The
probe imports only the standard library, so that a probe every few seconds costs little.
"""

import sys
import time
import urllib.request
from pathlib import Path

TIMEOUT_S = 5.0

MAX_AGE_S = 30.0
"""Seconds that a sign of life may be old, as for `python -m edge alive`."""


def asked(address: str) -> str:
    """Return the text at an address.

    Args:
        address: An http URL.

    Returns:
        The body of the answer.

    Raises:
        OSError: There is no answer, or its status is not 200.
    """
    # No proxy stands between a container and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=TIMEOUT_S) as answer:
        return str(answer.read().decode())


def age_of(file: str) -> float:
    """Return the seconds since the sign of life in a file, by the monotonic clock.

    Args:
        file: That the edge writes (EDGE_HEARTBEAT_FILE).

    Returns:
        Seconds; negative if the file is older than the last start of this computer.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file contains no time.
    """
    with Path(file).open(encoding="ascii") as written:
        return time.monotonic() - float(written.read())


def value_of(metric: str, page: str) -> float | None:
    """Return the metric's value, or None if the page has no metric of that name."""
    for line in page.splitlines():
        name, _, value = line.rpartition(" ")
        if name == metric:
            return float(value)
    return None


def examined(files: list[str], addresses: list[str], wanted: dict[str, float]) -> str | None:
    """Return a sentence about the fault, or None if there is none."""
    for file in files:
        try:
            age_s = age_of(file)
        except (OSError, ValueError) as error:
            return f"there is no sign of life in {file}: {error}"
        if not 0 <= age_s <= MAX_AGE_S:
            return f"the last sign of life in {file} is {age_s:.0f} s old"
    problems = []
    for address in addresses:
        try:
            page = asked(address)
        except (OSError, ValueError) as error:
            problems.append(f"{address}: {error}")
            continue
        for metric, value in wanted.items():
            found = value_of(metric, page)
            if found != value:
                return f"{metric} is {found}, not {value}"
        return None
    if not files and not addresses:
        return "no file and no address was given"
    return "; ".join(problems) or None


if __name__ == "__main__":
    files = [each for each in sys.argv[1:] if each.startswith("/")]
    addresses = [each for each in sys.argv[1:] if "://" in each]
    metrics = [each for each in sys.argv[1:] if each not in {*files, *addresses}]
    wrong = examined(
        files,
        addresses,
        {name: float(value) for name, _, value in (each.rpartition("=") for each in metrics)},
    )
    # With None the exit code is 0; a sentence is printed, and the exit code is 1.
    raise SystemExit(wrong)
