"""Which split each class is in: a model is trained and judged on each of them."""

from collections import Counter

from training.records.public_sets import LICENCES
from training.records.record import LABELS, Record


def labels_in(record: Record) -> set[str]:
    """Return the classes that a picture can teach."""
    named = {f.label for f in record.faces if f.label and not f.ignore}
    return {record.crop} if record.crop else named


def in_every_split(
    records: list[Record], splits: tuple[str, ...], problems: list[str]
) -> list[Record]:
    """Put each class of a user's own sets into every split.

    If the hash of the group names left a split without a class, a whole group is moved there from
    the split that has most groups of the class. A class of fewer groups than splits cannot be in
    all of them. A split that the user's folders gave stays.

    Args:
        records: The pictures.
        splits: The splits: training, validation and perhaps test, the most needed first.
        problems: A list that gets a line for each class that a split lacks.

    Returns:
        The records in their new splits.
    """
    now = {r.group: r.split for r in records}
    counts = Counter(r.group for r in records)
    given = {r.group for r in records if r.split_given}
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
            continue
        for split in splits:
            if not groups or split in {now[g] for g in groups}:
                continue
            several = Counter(now[g] for g in groups)
            free = [g for g in groups if g not in given and several[now[g]] > 1]
            if not free:
                problems.append(
                    f"{label}: no picture is in the {split} split; add pictures of the class to "
                    f"{split}, or to a folder that names no split"
                )
                continue
            fullest = max({now[g] for g in free}, key=lambda s: several[s])
            movable = [g for g in free if now[g] == fullest]
            # Training gets the largest group, the other splits the smallest.
            now[movable[-1 if split == "train" else 0]] = split
    return [r if r.split_given else r.moved(now[r.group], r.group) for r in records]
