"""`prepare`: from sets of pictures to records.

The sets are read, duplicates are joined, the pictures are split into training and validation, and
everything is counted.
"""

import json
from pathlib import Path

from rich.console import Console
from rich.progress import track

from training.errors import EmptyClassError
from training.preparing.class_splits import in_every_split
from training.preparing.class_statistics import class_statistics, draw_sheets, draw_statistics
from training.preparing.pseudo_labels import PseudoLabeller
from training.preparing.summary import duplicates_of, summary_of, tell
from training.records.duplicates import (
    Joined,
    contradictions,
    find_pairs,
    join,
    write_pairs,
)
from training.records.inspection import inspect
from training.records.public_sets import read_sets
from training.records.record import Record, write_records
from training.storage import atomic_write, write_json

TEACHABLE = {"portraits_cc_by", "masked_people", "gender", "crops"}


def kept_once(
    records: list[Record], joined: Joined, doubtful: set[int], problems: list[str]
) -> list[int]:
    """Decide which pictures stay, and name each copy that a stricter split holds.

    Args:
        records: The pictures.
        joined: What is known of their duplicates.
        doubtful: The places of pictures that have two labels.
        problems: A list that gets a line for each copy that is left out.

    Returns:
        The places of the pictures that stay.
    """
    for place, other in joined.left_out.items():
        where = joined.records[other]
        problems.append(
            f"{records[place].path}: left out, because the {where.split} split holds the same "
            f"picture, or nearly: {where.path}"
        )
    return [i for i in range(len(records)) if i not in doubtful and i not in joined.left_out]


def prepare(
    data: Path,
    prepared: Path,
    teacher: Path | None,
    console: Console,
    *,
    test_share: float = 0.0,
) -> dict[str, object]:
    """Write records.jsonl, problems.txt, summary.json and the report.

    Args:
        data: Folder of the sets.
        prepared: Folder that the files go to.
        teacher: YuNet's ONNX file, which finds faces in pictures without boxes; or None.
        console: Where people read about it.
        test_share: Share of the groups, 0…1, that is kept for a test split. Pictures whose split
            their folders name are not asked.

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
    joined = join(records, pairs, test_share)
    doubtful = contradictions(records, pairs, problems)
    kept = kept_once(records, joined, doubtful, problems)
    inspected = inspected.only(kept)
    wanted = ("train", "validation", "test") if test_share else ("train", "validation")
    records = in_every_split([joined.records[i] for i in kept], wanted, problems)
    if not records:
        raise EmptyClassError(f"{data}: no picture is left; {problems[-1]}")

    summary = summary_of(records, data, joined, len(problems), teacher is not None)
    write_records(records, prepared / "records.jsonl")
    with atomic_write(prepared / "problems.txt") as out:
        out.write("".join(f"{p}\n" for p in problems).encode())
    write_json(summary, prepared / "summary.json")
    seen = class_statistics(inspected)
    duplicates = duplicates_of(pairs, joined, len(doubtful))
    write_json({**summary, **seen, "duplicates": duplicates}, prepared / "report.json")
    draw_statistics(records, inspected, prepared / "report.png")
    drawings = [prepared / "report.png", *draw_sheets(records, prepared)]
    tell(
        console,
        records,
        problems=problems,
        duplicates=duplicates,
        warnings=seen["warnings"],
        drawings=drawings,
    )
    return summary


def prepared_templates(prepared: Path) -> Path | None:
    """Return the folder of mask pictures that lay among the prepared sets; None without one."""
    file = prepared / "summary.json"
    found = json.loads(file.read_text()).get("mask_templates") if file.is_file() else None
    return Path(found) if found else None
