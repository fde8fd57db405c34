"""What `prepare` says of its pictures: summary.json, and lines and tables for people."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.records.duplicates import Joined, Pair
from training.records.folders import SetFolder
from training.records.pictures import TEMPLATES
from training.records.public_sets import LICENCES
from training.records.record import Record

KINDS = ("with_mask", "without_mask", "incorrect_mask", "unlabelled", "ignore")
"""Kinds of faces that are counted."""


_NUMBERS = ("pictures", "faces", "left out")


def faces_of(records: list[Record]) -> dict[str, Counter[str]]:
    """Count the faces of each kind in each `set/split`, in the order of these names."""
    faces: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        mine = faces[f"{record.set}/{record.split}"]
        if record.crop:
            mine[record.crop] += 1
            continue
        for face in record.faces:
            mine["ignore" if face.ignore else face.label or "unlabelled"] += 1
    return dict(sorted(faces.items()))


def summary_of(
    records: list[Record], data: Path, joined: Joined, problems: int, taught: bool
) -> dict[str, object]:
    """Sum up what was prepared, as it stands in summary.json.

    Args:
        records: The pictures that are kept.
        data: The folder that was read.
        joined: What is known of the duplicates.
        problems: Number of lines in problems.txt.
        taught: Whether a teacher found faces.

    Returns:
        Pictures and faces by set and split, what was left out, the mask pictures and the licences.
    """
    sets = sorted({r.set for r in records})
    templates = data / TEMPLATES
    return {
        "pictures": {s: dict(Counter(r.split for r in records if r.set == s)) for s in sets},
        "faces": {k: dict(v) for k, v in faces_of(records).items()},
        "largest_group": Counter(r.group for r in records).most_common(1)[0][1],
        "moved_to_their_near_duplicates": joined.moved,
        "left_out_as_duplicates": len(joined.left_out),
        "problems": problems,
        "teacher": taught,
        "templates": len(list(templates.glob("*.png"))),
        "mask_templates": str(templates) if templates.is_dir() else None,
        "licences": {s: LICENCES.get(s, "a set of your own") for s in sets},
    }


def duplicates_of(pairs: list[Pair], joined: Joined, contradicting: int) -> dict[str, int]:
    """Count the duplicates, as they stand in report.json.

    Args:
        pairs: The pairs of pictures that are alike.
        joined: What was decided about them.
        contradicting: Number of pictures that were left out because of two labels.

    Returns:
        The numbers by name.
    """
    exact = sum(p.exact for p in pairs)
    return {
        "exact": exact,
        "near": len(pairs) - exact,
        "repeated_files": len({p.second for p in pairs if p.exact}),
        "across_splits": sum(p.across for p in pairs),
        "left_out_as_contradicting": contradicting,
        "moved": joined.moved,
        "left_out_of_a_less_strict_split": len(joined.left_out),
    }


def _within(folder: Path, data: Path) -> str:
    """The path of a folder within `data`; the whole path where it lies elsewhere, or is `data`."""
    inside = folder.is_relative_to(data) and folder != data
    return str(folder.relative_to(data)) if inside else str(folder)


def _split_of(folder: SetFolder, given: bool) -> str:
    """Say how the pictures of a folder came into their splits."""
    if folder.split:
        return f"{folder.split} alone"
    return "as its folders say" if given else "by source"


def tell_folders(
    console: Console, data: Path, folders: Sequence[SetFolder], records: list[Record]
) -> None:
    """Print what each folder was taken for, and how much of it is used.

    Args:
        console: Where people read.
        data: The folder that was read; the table shows what lies in it without its path.
        folders: The folders that were read.
        records: The pictures that are kept.
    """
    table = Table("folder", "taken for", "split", *_NUMBERS, title=f"folders of {data}")
    table.columns[0].overflow = "fold"
    for column in table.columns[3:]:
        column.justify, column.no_wrap = "right", True
    kept = Counter(r.set for r in records)
    faces: Counter[str] = Counter()
    known: Counter[str] = Counter()
    given = Counter(r.set for r in records if r.split_given)
    for record in records:
        known[record.set] += record.boxed or record.crop is not None
        faces[record.set] += 1 if record.crop else len([f for f in record.faces if not f.ignore])
    unread: Counter[str] = Counter()
    for each in folders:
        left_out = each.pictures - kept[each.name] + len(each.unread)
        table.add_row(
            _within(each.folder, data),
            each.taken_for,
            _split_of(each, given[each.name] > 0),
            str(kept[each.name]),
            str(faces[each.name]) if known[each.name] else "not known",
            str(left_out),
        )
        unread.update(p.suffix.lower() for p in each.unread)
    console.print(table)
    if unread:
        kinds = ", ".join(f"{count} {kind}" for kind, count in unread.most_common())
        console.print(
            f"[yellow]files of kinds that are not read: {kinds}; problems.txt names them",
            highlight=False,
        )


def tell(
    console: Console,
    records: list[Record],
    *,
    problems: Sequence[str],
    duplicates: Mapping[str, int],
    warnings: Sequence[str],
    drawings: Sequence[Path],
) -> None:
    """Print the faces by set and split, and what a person should know before training.

    Args:
        console: Where people read.
        records: The pictures that are kept.
        problems: A line for each thing that was left out.
        duplicates: Numbers of duplicates, from `duplicates_of`.
        warnings: What is wrong with the pictures as a whole.
        drawings: Files to look at; the first lies beside problems.txt.
    """
    heads = (kind.replace("_", " ").replace("unlabelled", "no label") for kind in KINDS)
    table = Table("set", "split", *heads, title="known faces")
    table.columns[0].overflow, table.columns[1].no_wrap = "fold", True
    for column in table.columns[2:]:
        column.justify = "right"
    for key, counts in faces_of(records).items():
        if counts.total():
            table.add_row(*key.rsplit("/", 1), *(str(counts[c] or "–") for c in KINDS))
    console.print(table)
    for problem in problems[:10]:
        console.print(f"[yellow]{escape(problem)}", highlight=False)
    listed = drawings[0].parent / "problems.txt"
    if problems:
        console.print(f"{len(problems)} problems, all in {listed}", highlight=False)
    console.print(
        f"{duplicates['repeated_files']} files repeat another file, and {duplicates['near']} pairs "
        f"are near-duplicates ({drawings[0].parent / 'duplicates.csv'}). {duplicates['moved']} "
        "pictures changed the split, so that near-duplicates are in one split",
        highlight=False,
        soft_wrap=True,
    )
    if duplicates["left_out_of_a_less_strict_split"]:
        console.print(
            f"[yellow]{duplicates['left_out_of_a_less_strict_split']} pictures are left out, "
            "because validation or test holds the same picture, or nearly; problems.txt names them",
            highlight=False,
        )
    if "test" not in {r.split for r in records}:
        console.print(
            "There is no test split: thresholds and figures will come from the same pictures, and "
            "the figures will be somewhat too good. `--test-share 0.2` keeps a fifth for a test",
            highlight=False,
        )
    for warning in warnings:
        console.print(f"[yellow]{escape(warning)}", highlight=False)
    looked = ", ".join(map(str, drawings))
    console.print(f"Look at {looked}", highlight=False, soft_wrap=True)
