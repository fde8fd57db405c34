"""Models: checked, compiled and run. The one file that knows OpenVINO.

What a model file says about itself is written in docs/decisions/0001-model-contract.md.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from edge.decoding import decode, output_names
from edge.errors import ModelUnfitError
from edge.manifest import MANIFEST, MEND, ModelFiles, Role
from edge.settings import Precision
from edge.sidecar import Output, Sidecar
from edge.values import FloatArray, Image

_FOREIGN = (RuntimeError, TypeError, ValueError, KeyError)
"""What OpenVINO raises; it has no error tree of its own."""


_MODEL_TYPES = {
    Role.DETECTOR: "face_detector",
    Role.CLASSIFIER: "mask_classifier",
    Role.GENDER: "gender_classifier",
}
_ALWAYS = ("model_name", "model_version", "labels", "confidence_threshold")
_OF_CROPS = (*_ALWAYS, "crop_margin", "min_face_size")
_KEYS = {
    Role.DETECTOR: (*_ALWAYS, "iou_threshold"),
    Role.CLASSIFIER: _OF_CROPS,
    Role.GENDER: _OF_CROPS,
}
_OUTPUTS = {
    Role.DETECTOR: ("boxes", "scores"),
    Role.CLASSIFIER: ("probabilities",),
    Role.GENDER: ("probabilities",),
}
_OPTIONAL = (
    "input_size",
    "resize",
    "size_multiple",
    "certain_threshold",
    "blend_iou_threshold",
    "blend_score_threshold",
)
INPUT = "image"

_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""What Linux calls the instructions that multiply and add four 8-bit numbers at once. Without them
8-bit models are hardly faster on x86, and their sums may saturate."""


def preferred_precision(device: str = "CPU", cpuinfo: Path = Path("/proc/cpuinfo")) -> Precision:
    """Which weights suit this machine: 8 bits on an x86 processor that multiplies them itself.

    Args:
        device: OpenVINO's name of the device; for all but `CPU` it is FP16.
        cpuinfo: Where Linux lists the processor's instructions; without it, FP16.
    """
    if device != "CPU" or platform.machine().lower() not in {"x86_64", "amd64"}:
        return Precision.FP16
    if "INT8" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return Precision.FP16
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return Precision.FP16
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
    return Precision.INT8 if _DOT_PRODUCTS & set(flags) else Precision.FP16


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
                f"model {self.path}: model_info/{key} is {self.values[key]!r}, not a number", MEND
            ) from error

    def size(self) -> tuple[int, int]:
        """`input_size`: (width, height) in pixels.

        Raises:
            ModelUnfitError: It is missing, or not two whole numbers over 0.
        """
        said = self.values.get("input_size", "")
        sides = said.split()
        if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
            raise ModelUnfitError(
                f"model {self.path}: model_info/input_size is {said!r}, not width and height", MEND
            )
        return int(sides[0]), int(sides[1])

    def fraction(self, key: str) -> float:
        """A value as a number between 0 and 1.

        Raises:
            ModelUnfitError: It is not one.
        """
        value = self.number(key)
        if not 0.0 <= value <= 1.0:
            raise ModelUnfitError(f"model {self.path}: model_info/{key} is {value}, not 0…1", MEND)
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
    _output: Output | None = field(default=None, repr=False)
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
                MEND,
            ) from error
        self._expected = (height, width)

    def _of_any_size(self, shape: tuple[int, ...]) -> ov.CompiledModel:
        if self._any_size is None:
            compiled = self._core.compile_model(
                self._graph, self._options["device"], self._options["config"]
            )
            # What a graph of open sizes answers first is not to be trusted: OpenVINO 2026.4 gave
            # another row of probabilities at each start, and the right one from the second on.
            compiled({INPUT: np.zeros((1, *shape), np.uint8)})
            self._any_size = compiled
        return self._any_size

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
                compiled = self._of_any_size(image.shape)
            # share_outputs stays off: the arrays outlive the next call.
            answer = compiled({INPUT: np.ascontiguousarray(image)[np.newaxis]})
            if self._output is not None:
                arrays = {name: answer[name] for name in output_names(self._output)} or {
                    "its only output": answer[0]
                }
                return decode(self._output, arrays, *image.shape[:2])
            return {name: answer[name][0] for name in _OUTPUTS[self.files.role]}
        except _FOREIGN as error:
            raise ModelUnfitError(
                f"model {self.info.path} failed on a picture of shape {image.shape}:"
                f" {_brief(error)}",
                MEND,
            ) from error


def load(
    files: ModelFiles,
    *,
    sidecar: Sidecar | None = None,
    device: str = "CPU",
    threads: int | None = None,
    cache_dir: Path | None = None,
) -> Network:
    """Check a model's files and make it ready to run.

    Args:
        files: As `manifest.find` gave them, or `sidecar.files_of`.
        sidecar: What stands beside a model of one's own; without it, the file says it all itself.
        device: OpenVINO's name of the device.
        threads: For inference; None leaves it to OpenVINO.
        cache_dir: Where compiled models are kept for a faster start.

    Raises:
        ModelMissingError: A file is not there.
        ModelAlteredError: A hash is wrong.
        ModelUnfitError: Not a graph of this role, keys missing, or the device is not there.
    """
    core = ov.Core()
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    if cache_dir is not None:
        config["CACHE_DIR"] = str(cache_dir)
    if device.split(":", 1)[0] not in {"AUTO", "HETERO", "MULTI", "BATCH"}:
        there = core.available_devices
        if device not in there and device.split(".", 1)[0] not in there:
            raise ModelUnfitError(
                f"inference device {device} is not here (there is {', '.join(there)})",
                "Set EDGE_INFERENCE_DEVICE to one of these",
            )
    options = {"device": device, "config": config}
    if sidecar is not None:
        path = files.folder / next(name for name in files.sha256 if not name.endswith(".bin"))
        graph = _own_graph(core, path, sidecar)
        return Network(files, ModelInfo(sidecar.info(), path), core, graph, options, sidecar.output)
    content = files.read()
    path = files.folder / next((n for n in files.sha256 if n.endswith(".xml")), files.name)
    if ".xml" not in content or ".bin" not in content:
        raise ModelUnfitError(f"model {files.name}: {MANIFEST} must name its .xml and .bin", MEND)
    try:
        graph = core.read_model(content[".xml"], content[".bin"])
    except _FOREIGN as error:
        raise ModelUnfitError(
            f"model {path} is not an OpenVINO IR that can be read: {_brief(error)}", MEND
        ) from error
    return Network(files, _info(graph, files.role, path), core, graph, options)


def _own_graph(core: ov.Core, path: Path, sidecar: Sidecar) -> ov.Model:
    """A graph that takes pictures as a camera gives them, around a model that does not."""
    given, mend = sidecar.input, "Correct the model's sidecar"
    try:
        graph = core.read_model(path)
    except _FOREIGN as error:
        raise ModelUnfitError(
            f"model {path} cannot be read by OpenVINO: {_brief(error)}",
            "Take an IR (.xml and .bin), .onnx, .tflite or .pb file",
        ) from error
    if len(graph.inputs) != 1:
        raise ModelUnfitError(f"model {path} has {len(graph.inputs)} inputs; it must have one")
    names = sorted(name for port in graph.outputs for name in port.get_names())
    wanted = output_names(sidecar.output)
    for name in wanted:
        if name not in names:
            raise ModelUnfitError(
                f"model {path} has no output {name!r}, which output kind {sidecar.output.kind}"
                f" needs (there are {', '.join(names)})",
                mend,
            )
    if not wanted and len(graph.outputs) != 1:
        raise ModelUnfitError(
            f"model {path} has the outputs {', '.join(names)}; output.name must say which", mend
        )
    width, height = given.size
    sides = (-1, -1) if given.multiple else (height, width)
    shape = [1, 3, *sides] if given.layout == "nchw" else [1, *sides, 3]
    try:
        graph.reshape(shape)
        steps = ov.preprocess.PrePostProcessor(graph)
        steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
        steps.input().model().set_layout(ov.Layout(given.layout.upper()))
        change = steps.input().preprocess().convert_element_type(ov.Type.f32)
        if given.colour == "rgb":
            change.reverse_channels()
        change.mean(list(given.mean)).scale(list(given.scale))
        graph = steps.build()
    except _FOREIGN as error:
        raise ModelUnfitError(
            f"model {path} does not take input.layout {given.layout} with input.size"
            f" {width}×{height}: {_brief(error)}",
            mend,
        ) from error
    graph.inputs[0].get_tensor().set_names({INPUT})
    return graph


def _info(graph: ov.Model, role: Role, path: Path) -> ModelInfo:
    values: dict[str, str] = {}
    for key in ("model_type", *_KEYS[role]):
        if not graph.has_rt_info(["model_info", key]):
            raise ModelUnfitError(f"model {path} does not say model_info/{key}", MEND)
        values[key] = str(graph.get_rt_info(["model_info", key]).value)
        if key == "model_type" and values[key] != _MODEL_TYPES[role]:
            raise ModelUnfitError(
                f"model {path} is a {values[key]}, not a {_MODEL_TYPES[role]}",
                "Check EDGE_DETECTOR and EDGE_CLASSIFIER",
            )
    for key in _OPTIONAL:
        if graph.has_rt_info(["model_info", key]):
            values[key] = str(graph.get_rt_info(["model_info", key]).value)
    inputs = [name for port in graph.inputs for name in port.get_names()]
    outputs = [name for port in graph.outputs for name in port.get_names()]
    for name, ports in [(INPUT, inputs), *((name, outputs) for name in _OUTPUTS[role])]:
        if name not in ports:
            raise ModelUnfitError(f"model {path} has no input or output named {name!r}", MEND)
    return ModelInfo(values, path)


def _brief(error: BaseException) -> str:
    """The last line of an OpenVINO message: the first ones are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
