"""The gender head that a manifest names, run as the edge runs it."""

from pathlib import Path

import numpy as np

from training.boxes.resizing import resized
from training.errors import MissingModelError, UnfitModelError
from training.graphs.inference import Network
from training.graphs.model_files import rows_of
from training.graphs.system import Floats
from training.records.pictures import Pixels
from training.samples.gender_crops import GENDERS

_KEYS = ("labels", "crop_margin", "min_face_size")


def installed_gender_head(models: Path) -> Path:
    """Find the file of the installed gender head.

    Args:
        models: Folder of the installed models, with their manifest.

    Returns:
        The first head that the manifest names.

    Raises:
        MissingModelError: The manifest names none.
    """
    for row in rows_of(models):
        if row["role"] == "gender":
            return models / str(next(name for name in row["files"] if name.endswith(".xml")))
    raise MissingModelError(
        f"{models / 'manifest.json'} names no gender head; name another folder with --models, or "
        "measure a run with --run"
    )


class InstalledGenderHead:
    """A gender head as the edge runs it.

    Args:
        path: Its file.

    Attributes:
        path: Its file.
        margin: Room around a face, as a share of its longer side.
        smallest: Shorter side in pixels under which a face is not read.

    Raises:
        ModelError: The model is not there, cannot be run, or is no gender head.
    """

    def __init__(self, path: Path) -> None:
        self._network, self.path = Network(path), path
        info = dict(self._network.info)
        missing = [key for key in _KEYS if key not in info]
        names = info.get("labels", "").split()
        if info.get("model_type") != "gender_classifier" or missing:
            raise UnfitModelError(
                f"{path} is no gender head that says {', '.join(_KEYS)}; export one with "
                "`python -m training export --gender RUN`"
            )
        if sorted(names) != sorted(GENDERS):
            raise UnfitModelError(
                f"{path} knows the labels {', '.join(names)}; needed are {', '.join(GENDERS)}"
            )
        self._columns = [names.index(name) for name in GENDERS]
        width, height = (int(side) for side in info.get("input_size", "0 0").split())
        self._side = (width, height) if info.get("resize") == "stretch" else None
        self.margin = float(info["crop_margin"])
        self.smallest = float(info["min_face_size"])

    def probabilities(self, crop: Pixels) -> Floats:
        """Return the probabilities [genders] of one crop u8 [H, W, 3], in the order of GENDERS."""
        fitted = resized(crop, *self._side) if self._side else crop
        row = self._network.infer(np.ascontiguousarray(fitted)[None])["probabilities"][0]
        return np.asarray(row[self._columns], np.float32)
