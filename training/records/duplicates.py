"""Duplicates: the same picture twice, or two pictures that look nearly alike.

Equal files are found by their SHA-256, near-duplicates by their perceptual hash. Both kinds are
put into one group, so that they are in one split.
"""

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.records.inspection import Inspection
from training.records.perceptual_hash import hamming_distances
from training.records.record import Record, split_of
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


def join(records: list[Record], pairs: list[Pair]) -> tuple[list[Record], int]:
    """Put duplicates into one group, and so into one split.

    Args:
        records: The pictures.
        pairs: The duplicates among them.

    Returns:
        The records with their new groups and splits, and how many of them changed the split.
    """
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while parent.get(group, group) != group:
            group = parent[group]
        return group

    for pair in pairs:
        ends = (root(records[pair.first].group), root(records[pair.second].group))
        first, second = sorted(ends)
        if first != second:
            parent[second] = first
    joined = [r.moved(split_of(root(r.group)), root(r.group)) for r in records]
    return joined, sum(a.split != b.split for a, b in zip(records, joined, strict=True))


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
