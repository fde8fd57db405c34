"""Is the process in this container well: `python probe.py ADDRESS … [METRIC=VALUE …]`.

Ends with 0 where one of the addresses answers 200 and each metric, in Prometheus' text format, has
its value there; with 1 and a sentence where not. Needs the standard library alone, so that a probe
every few seconds costs little.
"""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 5.0


def asked(address: str) -> str:
    """Return the answer's text. Raises OSError where there is none, or it is no 200."""
    # No proxy stands between a container and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=TIMEOUT_S) as answer:
        return str(answer.read().decode())


def value_of(metric: str, page: str) -> float | None:
    """Return the metric's value, or None where the page has none of that name."""
    for line in page.splitlines():
        name, _, value = line.rpartition(" ")
        if name == metric:
            return float(value)
    return None


def examined(addresses: list[str], wanted: dict[str, float]) -> str | None:
    """Return what is wrong, or None."""
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
    # Nothing ends with 0, a sentence is said and ends with 1.
    raise SystemExit(wrong)
