"""The manifest of the models: finds a model's files, and reads them only if their hashes are right.

docs/decisions/0001-model-contract.md defines the format of `manifest.json`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from edge.errors import ModelAlteredError, ModelMissingError, ModelUnfitError
from edge.settings import Precision

MANIFEST = "manifest.json"
MEND = "Export the model again with `python -m training export`, or restore edge/models"


class Role(StrEnum):
    """The task of a model, as the manifest and the wire name it."""

    DETECTOR = "detector"
    CLASSIFIER = "classifier"
    GENDER = "gender"


class _Entry(BaseModel):
    name: str
    role: str
    precision: str = ""
    version: str = ""
    files: dict[str, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = Field(
        min_length=1
    )


class _Manifest(BaseModel):
    # A pydantic model has a method `schema`, hence the alias.
    edition: Literal[1] = Field(alias="schema")
    models: list[_Entry]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a model with their hashes, by the manifest or the sidecar.

    Attributes:
        role: Task of the model.
        name: For people.
        version: For people.
        folder: Of the files.
        sha256: Hash in hexadecimal by file name.
        precision: Of the weights, as the manifest spells it: `FP16`, `INT8`; may be empty.
    """

    role: Role
    name: str
    version: str
    folder: Path
    sha256: Mapping[str, str]
    precision: str = ""

    @property
    def digest(self) -> str:
        """One SHA-256 for the whole model.

        `cd edge/models && sha256sum NAME.bin NAME.xml | sha256sum` prints the same.
        """
        listing = "".join(f"{self.sha256[name]}  {name}\n" for name in sorted(self.sha256))
        return hashlib.sha256(listing.encode()).hexdigest()

    def read(self) -> dict[str, bytes]:
        """Read the files, and check every hash.

        The bytes that are returned are those that were hashed, so no file can change in between.

        Returns:
            The content of each file by its suffix (`.xml`, `.bin`).

        Raises:
            ModelMissingError: A file does not exist, or cannot be read.
            ModelAlteredError: A file's SHA-256 is not the manifest's.
        """
        content = {}
        for name, expected in self.sha256.items():
            path = self.folder / name
            try:
                data = path.read_bytes()
            except OSError as error:
                raise ModelMissingError(
                    f"model file {path} cannot be read: {error.strerror}", MEND
                ) from error
            actual = hashlib.sha256(data).hexdigest()
            if actual != expected:
                raise ModelAlteredError(
                    f"model file {path} has SHA-256 {actual}, but {MANIFEST} says {expected}", MEND
                )
            content[path.suffix] = data
        return content


def find(
    role: Role,
    folder: Path,
    path: Path | None = None,
    *,
    precision: Precision = Precision.AUTO,
    preferred: Precision = Precision.FP16,
) -> ModelFiles:
    """Find a model in the manifest.

    Args:
        role: Task of the model.
        folder: Of the embedded models and their manifest.
        path: Of an `.xml` file to use instead; a `manifest.json` beside the file names it.
        precision: Of the weights. `auto` takes the preferred one if the manifest has it, otherwise
            the first model of this role. It has no effect on a `path`.
        preferred: The precision that suits this machine.

    Returns:
        The model's files with their hashes.

    Raises:
        ModelMissingError: There is no manifest, or the manifest does not name such a model.
        ModelUnfitError: The manifest is damaged.
    """
    where = path.parent if path is not None else folder
    manifest_path = where / MANIFEST
    fitting = [
        ModelFiles(role, entry.name, entry.version, where, dict(entry.files), entry.precision)
        for entry in _read(manifest_path).models
        if entry.role == role and (path is None or path.name in entry.files)
    ]
    if not fitting:
        wanted = f"{path.name} as {role}" if path is not None else f"a {role}"
        if role is Role.GENDER:
            raise ModelMissingError(
                f"model manifest {manifest_path} does not name {wanted} head",
                "Export one with `python -m training export --gender RUN`, or leave"
                " EDGE_ATTRIBUTES out",
            )
        raise ModelMissingError(f"model manifest {manifest_path} does not name {wanted}", MEND)
    if path is not None:
        return fitting[0]
    wanted_precision = preferred if precision is Precision.AUTO else precision
    for files in fitting:
        if files.precision.lower() == wanted_precision:
            return files
    if precision is Precision.AUTO:
        return fitting[0]
    present = ", ".join(files.precision or "unnamed" for files in fitting)
    raise ModelMissingError(
        f"model manifest {manifest_path} names no {role} of precision {precision.upper()}, only"
        f" {present}",
        "Set EDGE_PRECISION to auto, or export one with `python -m training export --int8`",
    )


def _read(path: Path) -> _Manifest:
    try:
        return _Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelMissingError(
            f"model manifest {path} cannot be read: {error.strerror}", MEND
        ) from error
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_input=False)[0]
        spot = ".".join(str(part) for part in flaw["loc"])
        raise ModelUnfitError(
            f"model manifest {path} is damaged: {spot}: {flaw['msg']}", MEND
        ) from error
