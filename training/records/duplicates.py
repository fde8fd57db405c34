"""Duplicates: the same picture twice, or two pictures that look nearly alike.

Equal files are found by their SHA-256, near-duplicates by their perceptual hash. Both kinds are
put into one group, so that they are in one split. A split that the user's folders gave stays.
"""

import csv
import io
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.records.inspection import Inspection
from training.records.perceptual_hash import hamming_distances
from training.records.record import Record
from training.records.splits import STRICTNESS, split_of
from training.storage import atomic_write

NEAR = 4
"""Bits of a 64-bit perceptual hash in which two near-duplicates may differ."""

MOST_LISTED = 10_000
"""Most pairs that duplicates.csv lists."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that are duplicates of each other.

    Attributes:
        first, second: Places of the two records.
        bits: Number of bits, 0…64, in which their perceptual hashes differ.
        exact: Whether the two files are equal byte for byte.
        across: Whether the names of their sources alone would put them into different splits.
    """

    first: int
    second: int
    bits: int
    exact: bool
    across: bool


def find_pairs(records: list[Record], inspected: Inspection, near: int = NEAR) -> list[Pair]:
    """Find all pairs of pictures whose hashes are alike.

    Args:
        records: The pictures.
        inspected: The hashes of the same pictures.
        near: Largest number of bits in which the two hashes differ.

    Returns:
        Each pair once.
    """
    pairs = []
    hashes, digests = inspected.hashes, inspected.digests
    for first in range(len(records)):
        bits = hamming_distances(hashes[first + 1 :], int(hashes[first]))
        for place in np.flatnonzero(bits <= near):
            second = first + 1 + int(place)
            pairs.append(
                Pair(
                    first,
                    second,
                    int(bits[place]),
                    digests[first] == digests[second],
                    records[first].split != records[second].split,
                )
            )
    return pairs


@dataclass(frozen=True, slots=True)
class Joined:
    """Pictures after duplicates were put into one split.

    Attributes:
        records: All pictures in their old order, with their new groups and splits.
        moved: The number of pictures that changed the split.
        left_out: The place of each picture that is to be left out, and the place of its duplicate
            in a stricter split.
    """

    records: list[Record]
    moved: int
    left_out: dict[int, int]


def join(records: list[Record], pairs: list[Pair], test_share: float = 0.0) -> Joined:
    """Put duplicates into one group, and so into one split.

    A split that the user's folders gave does not change. Where duplicates are in two given splits,
    the one in the less strict split is left out: a training picture that is in validation or test,
    too, and a validation picture that is in test, too. All other pictures follow a duplicate whose
    split was given to training, and are left out of training if the duplicate is not there.

    Args:
        records: The pictures.
        pairs: The duplicates among them.
        test_share: Share of the groups, 0…1, that is put into `test`.

    Returns:
        The pictures, and which of them are to be left out.
    """
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while parent.get(group, group) != group:
            group = parent[group]
        return group

    def strictness(place: int) -> int:
        return STRICTNESS[records[place].split]

    for pair in pairs:
        one, other = records[pair.first], records[pair.second]
        if one.split_given or other.split_given:
            continue
        first, second = sorted((root(one.group), root(other.group)))
        if first != second:
            parent[second] = first

    left_out: dict[int, int] = {}
    followed: dict[str, int] = {}
    for pair in pairs:
        low, high = sorted((pair.first, pair.second), key=strictness)
        if records[low].split_given and records[high].split_given:
            if strictness(low) < strictness(high):
                left_out.setdefault(low, high)
        elif records[low].split_given or records[high].split_given:
            free, given = (high, low) if records[low].split_given else (low, high)
            group = root(records[free].group)
            if group not in followed or strictness(given) > strictness(followed[group]):
                followed[group] = given

    joined = []
    for place, record in enumerate(records):
        if record.split_given:
            joined.append(record)
            continue
        group = root(record.group)
        follower = record.moved(split_of(group, test_share), group)
        if group in followed and strictness(followed[group]) == 0:
            follower = replace(follower, split="train", split_given=True)
        elif group in followed and STRICTNESS[follower.split] < strictness(followed[group]):
            left_out[place] = followed[group]
        joined.append(follower)
    own = [r if r.split_given else r.moved(split_of(r.group, test_share), r.group) for r in records]
    moved = sum(
        a.split != b.split
        for place, (a, b) in enumerate(zip(own, joined, strict=True))
        if place not in left_out
    )
    return Joined(joined, moved, left_out)


def contradictions(records: list[Record], pairs: list[Pair], problems: list[str]) -> set[int]:
    """Find equal files that have different labels.

    Nobody knows which label is right, so neither file is to be used.

    Args:
        records: The pictures.
        pairs: The duplicates among them.
        problems: A list that gets a line for each such pair.

    Returns:
        The places of the records.
    """
    doubtful: dict[int, int] = defaultdict(int)
    for pair in pairs:
        first, second = records[pair.first], records[pair.second]
        if pair.exact and first.crop and second.crop and first.crop != second.crop:
            doubtful[pair.first] += 1
            doubtful[pair.second] += 1
            problems.append(
                f"{first.path} ({first.crop}) and {second.path} ({second.crop}) are the same "
                "file; both are left out; delete the wrong one"
            )
    return set(doubtful)


def write_pairs(records: list[Record], pairs: list[Pair], path: Path) -> None:
    """Write the pairs as CSV: file, other, bits, exact, across_splits.

    Raises:
        StorageError: The file cannot be written.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("file", "other", "bits", "exact", "across_splits"))
    for pair in pairs[:MOST_LISTED]:
        first, second = records[pair.first].path, records[pair.second].path
        rows.writerow((first, second, pair.bits, pair.exact, pair.across))
    with atomic_write(path) as file:
        file.write(out.getvalue().encode())
