"""Model packages: a ZIP file with one model and its manifest.

`python -m training export` writes a model's files and `manifest.json`
(docs/decisions/0001-model-contract.md). A package holds the files of one model at its top, and a
manifest with this model's entry alone. The device checks the model itself; the cloud reads only
enough to show what a package is.
"""

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from cloud.contract.models import ModelOrder, ModelPackage, ModelRole, ModelText
from cloud.errors import ModelInvalid

MANIFEST: Final = "manifest.json"
FILES_AT_MOST: Final = 8
_MANIFEST_AT_MOST: Final = 1 << 20
_STAMP: Final = (1980, 1, 1, 0, 0, 0)
"""One model has one SHA-256, whenever it is packed."""


@dataclass(frozen=True, slots=True)
class PackedModel:
    """What a package says about itself."""

    role: ModelRole
    name: str
    version: str


class _Entry(BaseModel):
    role: ModelRole
    name: ModelText
    version: ModelText = ""
    files: dict[str, str] = Field(min_length=1, max_length=FILES_AT_MOST)


class _Manifest(BaseModel):
    models: list[_Entry] = Field(min_length=1, max_length=1)


def read(package: bytes) -> PackedModel:
    """Read what a package holds.

    Args:
        package: The ZIP file.

    Returns:
        The role, name and version of its model.

    Raises:
        ModelInvalid: The file is no ZIP, or its manifest does not name exactly one detector or
            classifier whose files are all there.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            members = {each.filename: each for each in archive.infolist()}
            if len(members) > FILES_AT_MOST + 1:
                raise ModelInvalid(f"the package holds {len(members)} files; 9 at most")
            manifest = members.get(MANIFEST)
            if manifest is None or manifest.file_size > _MANIFEST_AT_MOST:
                raise ModelInvalid(f"the package has no {MANIFEST}; `python -m cloud models add`")
            entry = _Manifest.model_validate_json(archive.read(manifest)).models[0]
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_input=False)[0]
        spot = ".".join(str(part) for part in flaw["loc"])
        raise ModelInvalid(f"{MANIFEST} in the package: {spot}: {flaw['msg']}") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelInvalid(f"the package is no ZIP file that can be read: {error}") from error
    if missing := sorted(set(entry.files) - set(members)):
        raise ModelInvalid(f"the package lacks {', '.join(missing)}")
    if strange := sorted(set(members) - set(entry.files) - {MANIFEST}):
        raise ModelInvalid(f"the package holds files that its manifest does not name: {strange}")
    return PackedModel(entry.role, entry.name, entry.version)


def pack(model: Path) -> bytes:
    """Pack a model for `python -m cloud models add`.

    Args:
        model: Its `.xml` file; `manifest.json` is beside it.

    Returns:
        The ZIP file. The same files give the same bytes.

    Raises:
        ModelInvalid: A file cannot be read, or the manifest does not name the model.
    """
    try:
        manifest = json.loads((model.parent / MANIFEST).read_bytes())
        entry = _entry(manifest, model.name)
        content = {name: (model.parent / name).read_bytes() for name in sorted(entry["files"])}
    except OSError as error:
        raise ModelInvalid(f"{error.filename} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ModelInvalid(f"{model.parent / MANIFEST} is damaged: {error}") from error
    for name, data in content.items():
        if hashlib.sha256(data).hexdigest() != entry["files"][name]:
            raise ModelInvalid(f"{model.parent / name} is not the file that {MANIFEST} names")
    kept = {"schema": manifest.get("schema", 1), "models": [entry]}
    content[MANIFEST] = json.dumps(kept, ensure_ascii=False, indent=1).encode()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name, _STAMP), data, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def order(package: ModelPackage) -> ModelOrder:
    """Return what a command tells a device about a package."""
    return ModelOrder(
        role=package.role,
        sha256=package.sha256,
        size=package.size,
        version=package.version,
        path=f"/v1/devices/me/models/{package.sha256}",
    )


def said(package: ModelPackage) -> str:
    """Return a package in words, for people and the audit trail."""
    named = " ".join(part for part in (package.role, package.name, package.version) if part)
    return f"{named}, {package.size} bytes"


def _entry(manifest: Any, name: str) -> dict[str, Any]:
    for entry in manifest["models"]:
        if name in entry["files"]:
            return dict(entry)
    raise ModelInvalid(f"{MANIFEST} does not name {name}")
