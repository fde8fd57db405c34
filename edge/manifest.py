"""Which models there are: looked up in `manifest.json`, and read only if their hashes are right.

The manifest's format is laid down in docs/decisions/0001-model-contract.md.
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
    """What a model is for, as the manifest and the wire name it."""

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
    # `schema` is a method of pydantic's own, hence the alias.
    edition: Literal[1] = Field(alias="schema")
    models: list[_Entry]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as its manifest vouches for it.

    Attributes:
        role: What it is for.
        name: For people.
        version: For people.
        folder: Where its files lie.
        sha256: Hash in hexadecimal by file name.
        precision: Of its weights, as the manifest spells it: `FP16`, `INT8`; may be empty.
    """

    role: Role
    name: str
    version: str
    folder: Path
    sha256: Mapping[str, str]
    precision: str = ""

    @property
    def digest(self) -> str:
        """One SHA-256 for the whole model: of what `sha256sum *.bin *.xml` prints for its files.

        So `cd edge/models && sha256sum NAME.bin NAME.xml | sha256sum` gives the same.
        """
        listing = "".join(f"{self.sha256[name]}  {name}\n" for name in sorted(self.sha256))
        return hashlib.sha256(listing.encode()).hexdigest()

    def read(self) -> dict[str, bytes]:
        """The files' content by suffix (`.xml`, `.bin`), after checking every hash.

        What is returned is what was hashed, so that a file cannot change in between.

        Raises:
            ModelMissingError: A file is not there or cannot be read.
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
    """Look a model up in the manifest.

    Args:
        role: What it is for.
        folder: Where the manifest of the embedded models lies.
        path: One `.xml` file instead, with a `manifest.json` beside it that names it.
        precision: The only one to take; `auto` takes the preferred one where the manifest has it,
            and otherwise the first that it names. Without meaning for a `path`.
        preferred: What suits this machine.

    Raises:
        ModelMissingError: No manifest, or no such model in it.
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
    wish = preferred if precision is Precision.AUTO else precision
    for files in fitting:
        if files.precision.lower() == wish:
            return files
    if precision is Precision.AUTO:
        return fitting[0]
    there = ", ".join(files.precision or "unnamed" for files in fitting)
    raise ModelMissingError(
        f"model manifest {manifest_path} names no {role} of precision {precision.upper()}, only"
        f" {there}",
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
