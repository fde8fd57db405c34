"""Tables for people, from figures as JSON: shares in per cent, with their intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.panel import Panel

_SHARES = (
    "accuracy", "balanced_accuracy", "false_admit", "false_refusal", "missed", "precision",
    "recall", "right_verdict", "unjudged",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title; the first column names the rows.

    Attributes:
        title: Title of the table.
        columns: Heads of the columns.
        rows: The cells of each row.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def as_markdown(self) -> str:
        """Return the table in Markdown, with a line end after its last row."""
        lines = [
            "| " + " | ".join(self.columns) + " |",
            "|" + "---|" * len(self.columns),
            *("| " + " | ".join(row) + " |" for row in self.rows),
        ]
        return "\n".join(lines) + "\n"


def shown(name: str, value: object) -> str:
    """Format one figure for people.

    Args:
        name: Name of the figure; names of shares are shown in per cent.
        value: The figure, or a mapping of its value, low and high if it has an interval.

    Returns:
        The text, such as `91.5 % (90.1 % to 92.7 %)`; `–` for None.
    """
    if isinstance(value, Mapping):
        middle = shown(name, value.get("value"))
        if value.get("low") is None:
            return middle
        return f"{middle} ({shown(name, value['low'])} to {shown(name, value['high'])})"
    if not isinstance(value, float):
        return "–" if value is None else str(value)
    if name.startswith(_SHARES):
        return f"{100 * value:.2f} %" if 0 < value < 0.1 else f"{100 * value:.1f} %"
    return f"{value:.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4g}"


def is_rate(value: object) -> bool:
    """Return whether a value is one figure with an interval, and not a group of figures."""
    return isinstance(value, Mapping) and "value" in value


def plain(name: str) -> str:
    """Return a key as words."""
    return name.replace("_", " ")


def headline(title: str, figures: Mapping[str, Any]) -> Table:
    """Return a table with a row for each single figure; groups of figures are left out."""
    rows = [
        (plain(k), shown(k, v))
        for k, v in figures.items()
        if is_rate(v) or not isinstance(v, dict | list)
    ]
    return Table(title, ("figure", "value"), rows)


def groups(title: str, parts: Mapping[str, Mapping[str, Any]], named: str = "") -> Table:
    """Make a table with a row for each group and a column for each figure.

    Args:
        title: Title of the table.
        parts: The figures of each group, such as a class, a set, or a size of face.
        named: Head of the first column; the title if empty.

    Returns:
        The table.
    """
    columns = list(dict.fromkeys(k for part in parts.values() for k in part))
    kept = [
        c
        for c in columns
        if all(is_rate(p.get(c)) or not isinstance(p.get(c), dict | list) for p in parts.values())
    ]
    rows = [(name, *(shown(c, part.get(c)) for c in kept)) for name, part in parts.items()]
    return Table(title, (named or title, *(plain(c) for c in kept)), rows)


def tables_of(figures: Mapping[str, Any]) -> list[Table]:
    """Return the headline, then a table for each group of groups (classes, by_set, by_size …)."""
    found = [headline("headline", figures)]
    for key, value in figures.items():
        if (
            isinstance(value, dict)
            and value
            and all(isinstance(v, dict) and not is_rate(v) for v in value.values())
        ):
            found.append(groups(plain(key), value, plain(key.removeprefix("by_"))))
        elif isinstance(value, dict) and value and not is_rate(value):
            found.append(headline(plain(key), value))
    return found


def warning_block(title: str, lines: Sequence[str]) -> Panel:
    """Return a framed block of sentences that nobody overlooks in a terminal."""
    return Panel("\n".join(escape(line) for line in lines), title=title, border_style="bold yellow")
