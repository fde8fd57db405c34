"""Models: found by their manifest, checked, compiled and run. The one file that knows OpenVINO.

What a model file says about itself is written in docs/decisions/0001-model-contract.md.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import openvino as ov
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from edge.errors import ModelAlteredError, ModelMissingError, ModelUnfitError
from edge.values import FloatArray, Image

MANIFEST = "manifest.json"
_MEND = "Export the model again with `python -m training export`, or restore edge/models"
_FOREIGN = (RuntimeError, TypeError, ValueError, KeyError)
"""What OpenVINO raises; it has no error tree of its own."""


class Role(StrEnum):
    """What a model is for, as the manifest and the wire name it."""

    DETECTOR = "detector"
    CLASSIFIER = "classifier"


_MODEL_TYPES = {Role.DETECTOR: "face_detector", Role.CLASSIFIER: "mask_classifier"}
_KEYS = {
    Role.DETECTOR: (
        "model_name",
        "model_version",
        "labels",
        "confidence_threshold",
        "iou_threshold",
    ),
    Role.CLASSIFIER: (
        "model_name",
        "model_version",
        "labels",
        "confidence_threshold",
        "crop_margin",
        "min_face_size",
    ),
}
_OUTPUTS = {Role.DETECTOR: ("boxes", "scores"), Role.CLASSIFIER: ("probabilities",)}
INPUT = "image"


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
    """

    role: Role
    name: str
    version: str
    folder: Path
    sha256: Mapping[str, str]

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
                    f"model file {path} cannot be read: {error.strerror}", _MEND
                ) from error
            actual = hashlib.sha256(data).hexdigest()
            if actual != expected:
                raise ModelAlteredError(
                    f"model file {path} has SHA-256 {actual}, but {MANIFEST} says {expected}", _MEND
                )
            content[path.suffix] = data
        return content


def find(role: Role, folder: Path, path: Path | None = None) -> ModelFiles:
    """Look a model up in the manifest.

    Args:
        role: What it is for.
        folder: Where the manifest of the embedded models lies.
        path: One `.xml` file instead, with a `manifest.json` beside it that names it.

    Raises:
        ModelMissingError: No manifest, or no such model in it.
        ModelUnfitError: The manifest is damaged.
    """
    where = path.parent if path is not None else folder
    manifest_path = where / MANIFEST
    try:
        manifest = _Manifest.model_validate_json(manifest_path.read_bytes())
    except OSError as error:
        raise ModelMissingError(
            f"model manifest {manifest_path} cannot be read: {error.strerror}", _MEND
        ) from error
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_input=False)[0]
        spot = ".".join(str(part) for part in flaw["loc"])
        raise ModelUnfitError(
            f"model manifest {manifest_path} is damaged: {spot}: {flaw['msg']}", _MEND
        ) from error
    for entry in manifest.models:
        if entry.role == role and (path is None or path.name in entry.files):
            return ModelFiles(role, entry.name, entry.version, where, dict(entry.files))
    wanted = f"{path.name} as {role}" if path is not None else f"a {role}"
    raise ModelMissingError(f"model manifest {manifest_path} does not name {wanted}", _MEND)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the file says of itself in `rt_info/model_info`."""

    values: Mapping[str, str]
    path: Path

    def text(self, key: str) -> str:
        """A value as it is written."""
        return self.values[key]

    def number(self, key: str) -> float:
        """A value as a number.

        Raises:
            ModelUnfitError: It is not one.
        """
        try:
            return float(self.values[key])
        except ValueError as error:
            raise ModelUnfitError(
                f"model {self.path}: model_info/{key} is {self.values[key]!r}, not a number", _MEND
            ) from error

    def fraction(self, key: str) -> float:
        """A value as a number between 0 and 1.

        Raises:
            ModelUnfitError: It is not one.
        """
        value = self.number(key)
        if not 0.0 <= value <= 1.0:
            raise ModelUnfitError(f"model {self.path}: model_info/{key} is {value}, not 0…1", _MEND)
        return value


@dataclass(slots=True)
class Network:
    """A compiled model that takes pictures and gives named arrays.

    Pictures of any size are taken; `expect` makes one size the fast one.
    """

    files: ModelFiles
    info: ModelInfo
    _core: ov.Core = field(repr=False)
    _graph: ov.Model = field(repr=False)
    _options: dict[str, Any] = field(repr=False)
    _any_size: ov.CompiledModel | None = field(default=None, repr=False)
    _one_size: ov.CompiledModel | None = field(default=None, repr=False)
    _expected: tuple[int, int] | None = None

    @property
    def digest(self) -> str:
        """See `ModelFiles.digest`."""
        return self.files.digest

    def expect(self, height: int, width: int) -> None:
        """Compile for pictures of this size, which most of those to come will have.

        Raises:
            ModelUnfitError: The graph cannot take this size.
        """
        if self._expected == (height, width):
            return
        graph = self._graph.clone()
        try:
            graph.reshape({INPUT: [1, height, width, 3]})
            self._one_size = self._core.compile_model(
                graph, self._options["device"], self._options["config"]
            )
        except _FOREIGN as error:
            raise ModelUnfitError(
                f"model {self.info.path} cannot take pictures of {width}×{height}: {_brief(error)}",
                _MEND,
            ) from error
        self._expected = (height, width)

    def infer(self, image: Image) -> dict[str, FloatArray]:
        """Run one picture through the graph.

        Args:
            image: [H, W, 3], u8, BGR.

        Returns:
            The outputs by name, with the batch dimension taken off.

        Raises:
            ModelUnfitError: The graph failed on it.
        """
        compiled = self._one_size if image.shape[:2] == self._expected else None
        try:
            if compiled is None:
                if self._any_size is None:
                    self._any_size = self._core.compile_model(
                        self._graph, self._options["device"], self._options["config"]
                    )
                compiled = self._any_size
            # share_outputs stays off: the arrays outlive the next call.
            answer = compiled({INPUT: np.ascontiguousarray(image)[np.newaxis]})
            return {name: answer[name][0] for name in _OUTPUTS[self.files.role]}
        except _FOREIGN as error:
            raise ModelUnfitError(
                f"model {self.info.path} failed on a picture of shape {image.shape}:"
                f" {_brief(error)}",
                _MEND,
            ) from error


def load(
    files: ModelFiles,
    *,
    device: str = "CPU",
    threads: int | None = None,
    cache_dir: Path | None = None,
) -> Network:
    """Check a model's files and make it ready to run.

    Args:
        files: As `find` gave them.
        device: OpenVINO's name of the device.
        threads: For inference; None leaves it to OpenVINO.
        cache_dir: Where compiled models are kept for a faster start.

    Raises:
        ModelMissingError: A file is not there.
        ModelAlteredError: A hash is wrong.
        ModelUnfitError: Not a graph of this role, keys missing, or the device is not there.
    """
    content = files.read()
    path = files.folder / next((n for n in files.sha256 if n.endswith(".xml")), files.name)
    if ".xml" not in content or ".bin" not in content:
        raise ModelUnfitError(f"model {files.name}: {MANIFEST} must name its .xml and .bin", _MEND)
    core = ov.Core()
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    if cache_dir is not None:
        config["CACHE_DIR"] = str(cache_dir)
    try:
        graph = core.read_model(content[".xml"], content[".bin"])
    except _FOREIGN as error:
        raise ModelUnfitError(
            f"model {path} is not an OpenVINO IR that can be read: {_brief(error)}", _MEND
        ) from error
    if device.split(":", 1)[0] not in {"AUTO", "HETERO", "MULTI", "BATCH"}:
        there = core.available_devices
        if device not in there and device.split(".", 1)[0] not in there:
            raise ModelUnfitError(
                f"inference device {device} is not here (there is {', '.join(there)})",
                "Set EDGE_INFERENCE_DEVICE to one of these",
            )
    info = _info(graph, files.role, path)
    return Network(files, info, core, graph, {"device": device, "config": config})


def _info(graph: ov.Model, role: Role, path: Path) -> ModelInfo:
    values: dict[str, str] = {}
    for key in ("model_type", *_KEYS[role]):
        if not graph.has_rt_info(["model_info", key]):
            raise ModelUnfitError(f"model {path} does not say model_info/{key}", _MEND)
        values[key] = str(graph.get_rt_info(["model_info", key]).value)
        if key == "model_type" and values[key] != _MODEL_TYPES[role]:
            raise ModelUnfitError(
                f"model {path} is a {values[key]}, not a {_MODEL_TYPES[role]}",
                "Check EDGE_DETECTOR and EDGE_CLASSIFIER",
            )
    inputs = [name for port in graph.inputs for name in port.get_names()]
    outputs = [name for port in graph.outputs for name in port.get_names()]
    for name, ports in [(INPUT, inputs), *((name, outputs) for name in _OUTPUTS[role])]:
        if name not in ports:
            raise ModelUnfitError(f"model {path} has no input or output named {name!r}", _MEND)
    return ModelInfo(values, path)


def _brief(error: BaseException) -> str:
    """The last line of an OpenVINO message: the first ones are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
