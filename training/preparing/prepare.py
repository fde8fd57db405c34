"""`prepare`: from sets of pictures to records.

The sets are read, duplicates are joined, the pictures are split into training and validation, and
everything is counted.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from training.errors import EmptyClassError
from training.preparing.class_statistics import class_statistics, draw_sheets, draw_statistics
from training.preparing.pseudo_labels import PseudoLabeller
from training.records.duplicates import contradictions, find_pairs, join, write_pairs
from training.records.inspection import inspect
from training.records.public_sets import LICENCES, read_sets
from training.records.record import LABELS, Record, write_records
from training.storage import atomic_write, write_json

TEMPLATES = "mask_templates"
"""Folder of mask pictures among the sets (MaskTheFace's), which are drawn on bare faces."""

TEACHABLE = {"portraits_cc_by", "masked_people", "gender", "crops"}


def labels_in(record: Record) -> set[str]:
    """Return the classes that a picture can teach."""
    named = {f.label for f in record.faces if f.label and not f.ignore}
    return {record.crop} if record.crop else named


def on_both_sides(records: list[Record], problems: list[str]) -> list[Record]:
    """Put each class of a user's own sets into both splits.

    If the hash of the group names left a split without a class, a whole group is moved. A class
    of one single group cannot be in both splits.

    Args:
        records: The pictures.
        problems: A list that gets a line for each class of one group.

    Returns:
        The records in their new splits.
    """
    splits = {r.group: r.split for r in records}
    counts = Counter(r.group for r in records)
    own = [r for r in records if r.set not in LICENCES]
    for label in LABELS:
        groups = sorted(
            {r.group for r in own if label in labels_in(r)}, key=lambda g: (counts[g], g)
        )
        if len(groups) == 1:
            problems.append(
                f"{label}: all {counts[groups[0]]} pictures are one group (one person at one time, "
                "or near-duplicates), so none is left to validate a model on; add pictures of "
                "another person or another day"
            )
        if len(groups) > 1 and len({splits[g] for g in groups}) == 1:
            # Validation gets the smallest group, training the largest.
            empty = "train" if splits[groups[0]] == "validation" else "validation"
            splits[groups[0] if empty == "validation" else groups[-1]] = empty
    return [r.moved(splits[r.group], r.group) for r in records]


def prepare(
    data: Path, prepared: Path, teacher: Path | None, console: Console
) -> dict[str, object]:
    """Write records.jsonl, problems.txt, summary.json and the report.

    Args:
        data: Folder of the sets.
        prepared: Folder that the files go to.
        teacher: YuNet's ONNX file, which finds faces in pictures without boxes; or None.
        console: Where people read about it.

    Returns:
        The content of summary.json.

    Raises:
        MissingDataError: `data` or the teacher's file does not exist.
        UnknownLayoutError: `data` is in none of the layouts.
        UnknownLabelError: A class name is unknown.
        EmptyClassError: A set or a class holds no readable picture.
    """
    problems: list[str] = []
    records: list[Record] = []
    labeller = PseudoLabeller(teacher) if teacher else None
    for name, found in read_sets(data, problems):
        if not found:
            raise EmptyClassError(
                f"{data / name}: no readable picture; see the layouts in docs/models.md"
            )
        console.print(f"{name}: {len(found)} pictures")
        if labeller and name in TEACHABLE:
            taught = track(found, description=f"faces of {name}", transient=True)
            records += [labeller.label(r) if r.crop != "with_mask" else r for r in taught]
        else:
            records += found
    records, inspected = inspect(records, problems)
    pairs = find_pairs(records, inspected)
    write_pairs(records, pairs, prepared / "duplicates.csv")
    joined, moved = join(records, pairs)
    doubtful = contradictions(records, pairs, problems)
    kept = [i for i in range(len(joined)) if i not in doubtful]
    inspected = inspected.only(kept)
    records = on_both_sides([joined[i] for i in kept], problems)
    if not records:
        raise EmptyClassError(f"{data}: no picture is left; {problems[-1]}")

    sets = sorted({r.set for r in records})
    faces: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        if record.crop:
            faces[f"{record.set}/{record.split}"][record.crop] += 1
            continue
        for face in record.faces:
            faces[f"{record.set}/{record.split}"][
                "ignore" if face.ignore else face.label or "unlabelled"
            ] += 1
    summary: dict[str, object] = {
        "pictures": {s: dict(Counter(r.split for r in records if r.set == s)) for s in sets},
        "faces": {k: dict(v) for k, v in sorted(faces.items())},
        "largest_group": Counter(r.group for r in records).most_common(1)[0][1],
        "moved_to_their_near_duplicates": moved,
        "problems": len(problems),
        "teacher": teacher is not None,
        "templates": len(list((data / TEMPLATES).glob("*.png"))),
        "mask_templates": str(data / TEMPLATES) if (data / TEMPLATES).is_dir() else None,
        "licences": {s: LICENCES.get(s, "a set of your own") for s in sets},
    }
    seen = class_statistics(inspected)
    exact = sum(p.exact for p in pairs)
    duplicates = {
        "exact": exact,
        "near": len(pairs) - exact,
        "across_splits": sum(p.across for p in pairs),
        "left_out_as_contradicting": len(doubtful),
        "moved": moved,
    }
    write_records(records, prepared / "records.jsonl")
    with atomic_write(prepared / "problems.txt") as out:
        out.write("".join(f"{p}\n" for p in problems).encode())
    write_json(summary, prepared / "summary.json")
    write_json({**summary, **seen, "duplicates": duplicates}, prepared / "report.json")
    draw_statistics(records, inspected, prepared / "report.png")
    sheets = draw_sheets(records, prepared)

    table = Table(
        "set", "split", "with_mask", "without_mask", "incorrect_mask", "unlabelled", "ignore"
    )
    for key, counts in sorted(faces.items()):
        table.add_row(*key.rsplit("/", 1), *(str(counts[c]) for c in table_columns()))
    console.print(table)
    for problem in problems[:10]:
        console.print(f"[yellow]{problem}")
    if problems:
        console.print(f"{len(problems)} problems, all in {prepared / 'problems.txt'}")
    console.print(
        f"{exact} pairs of the same file, {len(pairs) - exact} near-duplicates; {moved} pictures "
        "changed split because a near-duplicate is in the other one"
    )
    for warning in seen["warnings"]:
        console.print(f"[yellow]{warning}", highlight=False)
    looked = ", ".join(str(p) for p in (prepared / "report.png", *sheets))
    console.print(f"Look at {looked}", highlight=False, soft_wrap=True)
    return summary


def prepared_templates(prepared: Path) -> Path | None:
    """Return the folder of mask pictures that lay among the prepared sets; None without one."""
    file = prepared / "summary.json"
    found = json.loads(file.read_text()).get("mask_templates") if file.is_file() else None
    return Path(found) if found else None


def table_columns() -> tuple[str, ...]:
    """Return the kinds of faces that are counted."""
    return ("with_mask", "without_mask", "incorrect_mask", "unlabelled", "ignore")
