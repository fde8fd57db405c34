"""`python -m charts.reference`: writes the files that follow from each chart's values.yaml.

    values.yaml, with a comment above each value
    ├── README.md            its table of values, from the comments
    └── values.schema.json   closed: types from the defaults and from schemas.py

charts/schemas.py has the types that a default does not tell. With `--check` nothing is written, and
the exit code is 1 if a file is out of date.
"""

import copy
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from charts.schemas import EVERYWHERE, cloud_chart, edge_chart
from charts.value_types import Schema, closed

CHARTS: Final = Path(__file__).parent
BEGIN: Final = "<!-- values: written by `python -m charts.reference` -->"
END: Final = "<!-- end of values -->"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a chart: its path, its default, and the text of its comment."""

    path: tuple[str, ...]
    default: Any
    text: str


def values_of(chart: Path) -> list[Value]:
    """Return every value of values.yaml that has a comment beginning with `--`, in its order."""
    source = (chart / "values.yaml").read_text()
    defaults = yaml.safe_load(source)
    found: list[Value] = []
    place: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in source.splitlines():
        said = re.match(r"\s*# (-- )?(.*)", line)
        if said is not None:
            comment = [said[2]] if said[1] else [*comment, said[2]]
            continue
        key = re.match(r"(\s*)([A-Za-z0-9]+):", line)
        if key is not None:
            depth = len(key[1])
            place = [*(each for each in place if each[0] < depth), (depth, key[2])]
            path = tuple(name for _, name in place)
            if comment:
                found.append(Value(path, _at(defaults, path), " ".join(comment)))
        comment = []
    return found


def _at(defaults: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        defaults = defaults[name]
    return defaults


def schema_of(chart: Path) -> Schema:
    """Return the whole schema of a chart's values."""
    special = cloud_chart() if chart.name == "maskgate" else edge_chart()
    texts = {".".join(value.path): value.text for value in values_of(chart)}
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    schema = _schema(defaults, (), special, texts)
    # A chart that contains this one hands down more than this one reads.
    schema["properties"].setdefault("global", {"type": "object"}).pop("additionalProperties", None)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": chart.name, **schema}


def _schema(
    default: Any, path: tuple[str, ...], special: Mapping[str, Schema], texts: Mapping[str, str]
) -> Schema:
    name = ".".join(path)
    said = special.get(name, EVERYWHERE.get(path[-1], {}) if path else {})
    if said:
        schema = copy.deepcopy(said)
    elif isinstance(default, dict):
        schema = closed(
            **{key: _schema(value, (*path, key), special, texts) for key, value in default.items()}
        )
    elif isinstance(default, bool):
        schema = {"type": "boolean"}
    elif isinstance(default, int):
        schema = {"type": "integer", "minimum": 0}
    elif isinstance(default, str):
        schema = {"type": "string"}
    else:
        raise SystemExit(f"{name}: say in charts/schemas.py what may stand here")
    if name in texts:
        schema["description"] = texts[name]
    return schema


def table_of(chart: Path) -> str:
    """Return the table of values, as Markdown."""
    lines = [BEGIN, "| value | default | meaning |", "|---|---|---|"]
    for value in values_of(chart):
        shown = json.dumps(value.default, ensure_ascii=False).replace("|", "\\|")
        text = value.text.replace("|", "\\|")
        lines.append(f"| `{'.'.join(value.path)}` | `{shown}` | {text} |")
    return "\n".join([*lines, END])


def written(chart: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file that follows from a chart's values, with its right text."""
    yield (
        chart / "values.schema.json",
        json.dumps(schema_of(chart), indent=2, ensure_ascii=False) + "\n",
    )
    readme = chart / "README.md"
    text = readme.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    yield readme, head + table_of(chart) + tail


def charts() -> list[Path]:
    """Return the folders of the charts."""
    return sorted(path.parent for path in CHARTS.glob("*/Chart.yaml"))


def main() -> None:
    """Write the files; with --check, print those that are out of date."""
    check = "--check" in sys.argv[1:]
    stale = [
        (path, text)
        for chart in charts()
        for path, text in written(chart)
        if not path.exists() or path.read_text() != text
    ]
    for path, text in stale:
        if not check:
            path.write_text(text)
        print(f"{'out of date' if check else 'wrote'}: {path.relative_to(CHARTS.parent)}")
    if check and stale:
        raise SystemExit("run `python -m charts.reference`")


if __name__ == "__main__":
    main()
