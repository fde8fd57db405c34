"""The same picture twice, or nearly: found by content and by perceptual hash, and kept together."""

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
"""Bits of a 64-bit perceptual hash in which two pictures may differ and still be taken for one."""

MOST_LISTED = 10_000
"""Pairs in duplicates.csv; a set with more has another trouble."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that are one: indices of records, and in how many of 64 bits they differ.

    Attributes:
        exact: Byte for byte the same file.
        across: The names of their sources alone would have put them into different splits.
    """

    first: int
    second: int
    bits: int
    exact: bool
    across: bool


def find_pairs(records: list[Record], inspected: Inspection, near: int = NEAR) -> list[Pair]:
    """Every two pictures whose hashes differ in at most `near` bits."""
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
    """Records in which near-duplicates share a group and so a split, and how many changed their
    split for it.
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
    """Indices of the same file under two labels: nobody knows which is right, so neither is used;
    each gets a line in `problems`.
    """
    doubtful: dict[int, int] = defaultdict(int)
    for pair in pairs:
        first, second = records[pair.first], records[pair.second]
        if pair.exact and first.crop and second.crop and first.crop != second.crop:
            doubtful[pair.first] += 1
            doubtful[pair.second] += 1
            problems.append(
                f"{first.path} ({first.crop}) and {second.path} ({second.crop}) are the same "
                "file: left out; delete the wrong one"
            )
    return set(doubtful)


def write_pairs(records: list[Record], pairs: list[Pair], path: Path) -> None:
    """CSV: file, other, bits, exact, across. Raises StorageError."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("file", "other", "bits", "exact", "across_splits"))
    for pair in pairs[:MOST_LISTED]:
        first, second = records[pair.first].path, records[pair.second].path
        rows.writerow((first, second, pair.bits, pair.exact, pair.across))
    with atomic_write(path) as file:
        file.write(out.getvalue().encode())
