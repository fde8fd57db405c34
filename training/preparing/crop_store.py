"""The folder of collected crops: class folders, and an index.

The folder is a set of pictures in the class-folder layout. `prepare` reads from the index what
the folders cannot say: each face's box in its crop, and which crops belong together.
"""

import os
from dataclasses import astuple, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import StorageError
from training.records.crop_index import COLUMNS, INDEX, CollectedCrop, line_of, read_index
from training.records.pictures import Pixels
from training.storage import atomic_write, write_failure


class CropStore:
    """A folder of collected crops; each crop is saved whole or not at all.

    A crop that a person moved counts in the class folder where it is now. A crop that a person
    deleted is not collected again. Only the owner can read a folder that is made here, because it
    holds faces.

    Attributes:
        folder: The folder.
        crops: The crops that are there, each under the label of its class folder.

    Raises:
        DamagedIndexError: The folder holds an index that cannot be read.
        StorageError: The folder or its index cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = folder / INDEX
        rows: list[CollectedCrop] = []
        if self._index.exists():
            rows = read_index(self._index)
            if not self._index.read_bytes().endswith(b"\n"):
                self._write(rows)
        else:
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise StorageError(write_failure(folder, error)) from error
            self._write(rows)
        # A crop that somebody deleted is not collected again.
        self._hashes = [int(row.hash, 16) for row in rows]
        self._names = {Path(row.file).name for row in rows}
        where = {row: self._find(row) for row in rows}
        self.crops = [replace(row, label=p.parent.name) for row, p in where.items() if p]

    def _write(self, rows: list[CollectedCrop]) -> None:
        with atomic_write(self._index) as out:
            out.write("".join(line_of(r) for r in (COLUMNS, *map(astuple, rows))).encode())

    def _find(self, crop: CollectedCrop) -> Path | None:
        path = self.folder / crop.file
        return path if path.is_file() else next(self.folder.glob(f"*/{path.name}"), None)

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """Perceptual hashes of all crops that were ever collected here, [N]."""
        return np.array(self._hashes, np.uint64)

    def count(self, label: str | None = None) -> int:
        """Return the number of crops of a label, or of all labels."""
        return sum(label is None or c.label == label for c in self.crops)

    def free_name(self, label: str) -> str:
        """Return `label/label-00001.png`, with a number that no crop here has or had."""
        number = self.count(label) + 1
        while (name := f"{label}-{number:05}.png") in self._names or any(
            self.folder.glob(f"*/{name}")
        ):
            number += 1
        return f"{label}/{name}"

    def add(self, picture: Pixels, crop: CollectedCrop) -> None:
        """Save a crop's picture, then its row in the index.

        Args:
            picture: u8 [H, W, 3] BGR.
            crop: The row.

        Raises:
            StorageError: The picture or the row cannot be written; then neither counts.
        """
        path = self.folder / crop.file
        with atomic_write(path) as out:
            out.write(cv2.imencode(".png", picture)[1].tobytes())
        try:
            self._append(crop)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StorageError(write_failure(self._index, error)) from error
        self.crops.append(crop)
        self._names.add(path.name)
        self._hashes.append(int(crop.hash, 16))

    def _append(self, crop: CollectedCrop) -> None:
        """Append a row to the index; if that fails, the index stays as it was."""
        with self._index.open("a", encoding="utf-8") as rows:
            before = rows.tell()
            try:
                rows.write(line_of(astuple(crop)))
                rows.flush()
                os.fsync(rows.fileno())
            except OSError:
                os.truncate(self._index, before)
                raise
