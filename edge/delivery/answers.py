"""What the headers and the problem details of an answer say."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from cloud.contract import Problem


def text_of(problem: Problem) -> str:
    """Return a problem as one line."""
    return f"{problem.title} ({problem.code})" + (f", {problem.detail}" if problem.detail else "")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of the header `Retry-After`; the API never sends a date there."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the time of the header `Date`; None if it is missing or malformed."""
    try:
        return parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError):
        return None
