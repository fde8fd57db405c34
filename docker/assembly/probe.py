"""Whether this container is healthy: `python probe.py ADDRESS … [METRIC=VALUE …]`.

The exit code is 0 if one of the addresses answers 200 and each metric has its value there, in
Prometheus' text format; otherwise it is 1, with a sentence. The probe imports only the standard
library, so that a probe every few seconds costs little.
"""

import sys
import urllib.request

TIMEOUT_S = 5.0


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


def value_of(metric: str, page: str) -> float | None:
    """Return the metric's value, or None if the page has no metric of that name."""
    for line in page.splitlines():
        name, _, value = line.rpartition(" ")
        if name == metric:
            return float(value)
    return None


def examined(addresses: list[str], wanted: dict[str, float]) -> str | None:
    """Return a sentence about the fault, or None if there is none."""
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
    return "; ".join(problems) or "no address was given"


if __name__ == "__main__":
    said = [each for each in sys.argv[1:] if "://" not in each]
    wrong = examined(
        [each for each in sys.argv[1:] if "://" in each],
        {name: float(value) for name, _, value in (each.rpartition("=") for each in said)},
    )
    # With None the exit code is 0; a sentence is printed, and the exit code is 1.
    raise SystemExit(wrong)
