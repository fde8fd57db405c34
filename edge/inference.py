"""Inference: models are checked, compiled and run. The one file that imports OpenVINO.

docs/decisions/0001-model-contract.md lists what a model file says about itself.
"""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

_MODEL_TYPES = {
    Role.DETECTOR: "face_detector",
    Role.CLASSIFIER: "mask_classifier",
    Role.GENDER: "gender_classifier",
}
_COMMON_KEYS = ("model_name", "model_version", "labels", "confidence_threshold")
_CROP_KEYS = (*_COMMON_KEYS, "crop_margin", "min_face_size")
_REQUIRED_KEYS = {
    Role.DETECTOR: (*_COMMON_KEYS, "iou_threshold"),
    Role.CLASSIFIER: _CROP_KEYS,
    Role.GENDER: _CROP_KEYS,
}
_OUTPUTS = {
    Role.DETECTOR: ("boxes", "scores"),
    Role.CLASSIFIER: ("probabilities",),
    Role.GENDER: ("probabilities",),
}
_OPTIONAL_KEYS = (
    "input_size",
    "resize",
    "size_multiple",
    "certain_threshold",
    "blend_iou_threshold",
    "blend_score_threshold",
    "untested_labels",
)
INPUT = "image"

_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""Linux's names of the instructions that multiply and add four 8-bit numbers at once. Without them
8-bit models are hardly faster on x86, and their sums may saturate."""


def preferred_precision(device: str = "CPU", cpuinfo: Path = Path("/proc/cpuinfo")) -> Precision:
    """Return the precision of weights that suits this machine.

    Args:
        device: OpenVINO's name of the device.
        cpuinfo: The file in which Linux lists the processor's instructions.

    Returns:
        INT8 for an x86 processor that multiplies 8-bit numbers itself; FP16 for any other device,
        and where `cpuinfo` cannot be read.
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
    """The metadata of a model, as the file has it in `rt_info/model_info`.

    Attributes:
        values: Text by key.
        path: Of the model's file, for error messages.
    """

    values: Mapping[str, str]
    path: Path

    def text(self, key: str) -> str:
        """Return a value as it is written."""
        return self.values[key]

    def number(self, key: str) -> float:
        """Return a value as a number.

        Args:
            key: One of `values`.

        Returns:
            The number.

        Raises:
            ModelUnfitError: The value is not a number.
        """
        try:
            return float(self.values[key])
        except ValueError as error:
            raise ModelUnfitError(
                f"model {self.path}: model_info/{key} is {self.values[key]!r}, not a number", MEND
            ) from error

    def size(self) -> tuple[int, int]:
        """Return `input_size`.

        Returns:
            (width, height) in pixels.

        Raises:
            ModelUnfitError: The key is missing, or its value is not two whole numbers over 0.
        """
        text = self.values.get("input_size", "")
        sides = text.split()
        if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
            raise ModelUnfitError(
                f"model {self.path}: model_info/input_size is {text!r}, not width and height", MEND
            )
        return int(sides[0]), int(sides[1])

    def fraction(self, key: str) -> float:
        """Return a value as a number between 0 and 1.

        Args:
            key: One of `values`.

        Returns:
            The number, 0…1.

        Raises:
            ModelUnfitError: The value is not a number, or outside of 0…1.
        """
        value = self.number(key)
        if not 0.0 <= value <= 1.0:
            raise ModelUnfitError(f"model {self.path}: model_info/{key} is {value}, not 0…1", MEND)
        return value


@dataclass(slots=True)
class Network:
    """A compiled model: pictures go in, and named arrays come out.

    A picture may have any size. `expect` makes one size the fast one.

    Attributes:
        files: The model's files, with their hashes.
        info: The model's metadata.
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
        """The SHA-256 of the whole model (`ModelFiles.digest`)."""
        return self.files.digest

    def expect(self, height: int, width: int) -> None:
        """Compile the model for the size that most of the next pictures will have.

        Args:
            height: In pixels.
            width: In pixels.

        Raises:
            ModelUnfitError: The graph does not accept this size.
        """
        if self._expected == (height, width):
            return
        graph = self._graph.clone()
        with _refused(f"model {self.info.path} does not accept pictures of {width}×{height}"):
            graph.reshape({INPUT: [1, height, width, 3]})
            self._one_size = self._core.compile_model(
                graph, self._options["device"], self._options["config"]
            )
        self._expected = (height, width)

    def _of_any_size(self, shape: tuple[int, ...]) -> ov.CompiledModel:
        if self._any_size is None:
            compiled = self._core.compile_model(
                self._graph, self._options["device"], self._options["config"]
            )
            # The first answer of a graph without a fixed size is unreliable: OpenVINO 2026.4
            # returned different probabilities at each start, and the right ones from the second
            # answer on.
            compiled({INPUT: np.zeros((1, *shape), np.uint8)})
            self._any_size = compiled
        return self._any_size

    def infer(self, image: Image) -> dict[str, FloatArray]:
        """Run one picture through the graph.

        Args:
            image: u8 [H, W, 3], BGR.

        Returns:
            The outputs by name, without the batch dimension.

        Raises:
            ModelUnfitError: The graph failed on this picture, or returned arrays of a shape that
                the sidecar does not describe.
        """
        batch = np.ascontiguousarray(image)[np.newaxis]
        with _refused(f"model {self.info.path} failed on a picture of shape {image.shape}"):
            compiled = self._one_size if image.shape[:2] == self._expected else None
            if compiled is None:
                compiled = self._of_any_size(image.shape)
            # share_outputs stays off: the arrays outlive the next call.
            outputs = compiled({INPUT: batch})
        if self._output is None:
            return {name: outputs[name][0] for name in _OUTPUTS[self.files.role]}
        arrays = {name: outputs[name] for name in output_names(self._output)}
        return decode(self._output, arrays or {"its only output": outputs[0]}, *image.shape[:2])


def load(
    files: ModelFiles,
    *,
    sidecar: Sidecar | None = None,
    device: str = "CPU",
    threads: int | None = None,
    cache_dir: Path | None = None,
) -> Network:
    """Check a model's files, and make the model ready to run.

    Args:
        files: From `manifest.find` or `sidecar.files_of`.
        sidecar: Describes a model of your own; None for a model whose file has all metadata.
        device: OpenVINO's name of the device.
        threads: For inference; None for OpenVINO's own choice.
        cache_dir: Folder in which compiled models are kept for a faster start.

    Returns:
        The network, compiled at its first picture.

    Raises:
        ModelMissingError: A file is missing.
        ModelAlteredError: A hash is wrong.
        ModelUnfitError: The file is no graph of this role, metadata is missing, or this machine
            does not have the device.
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
                f"this machine has no inference device {device} (it has {', '.join(there)})",
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
    with _refused(f"model {path} is not an OpenVINO IR that can be read"):
        graph = core.read_model(content[".xml"], content[".bin"])
    return Network(files, _info(graph, files.role, path), core, graph, options)


def _own_graph(core: ov.Core, path: Path, sidecar: Sidecar) -> ov.Model:
    """Read a model of your own, and put the preprocessing that its sidecar describes in front.

    Returns:
        A graph that takes pictures as a camera sends them: u8 [1, H, W, 3], BGR.

    Raises:
        ModelUnfitError: The model cannot be read, or differs from its sidecar.
    """
    given, mend = sidecar.input, "Correct the model's sidecar"
    formats = "Take an IR (.xml and .bin), .onnx, .tflite or .pb file"
    with _refused(f"model {path} cannot be read by OpenVINO", formats):
        graph = core.read_model(path)
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
    layout = f"input.layout {given.layout} with input.size {width}×{height}"
    with _refused(f"model {path} does not accept {layout}", mend):
        graph.reshape(shape)
        steps = ov.preprocess.PrePostProcessor(graph)
        steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
        steps.input().model().set_layout(ov.Layout(given.layout.upper()))
        change = steps.input().preprocess().convert_element_type(ov.Type.f32)
        if given.colour == "rgb":
            change.reverse_channels()
        change.mean(list(given.mean)).scale(list(given.scale))
        graph = steps.build()
    graph.inputs[0].get_tensor().set_names({INPUT})
    return graph


def _info(graph: ov.Model, role: Role, path: Path) -> ModelInfo:
    """Read the metadata of a graph, and check that nothing is missing.

    Returns:
        The metadata.

    Raises:
        ModelUnfitError: A key is missing, or the graph is of another role.
    """
    values: dict[str, str] = {}
    for key in ("model_type", *_REQUIRED_KEYS[role]):
        if not graph.has_rt_info(["model_info", key]):
            raise ModelUnfitError(f"model {path} lacks model_info/{key}", MEND)
        values[key] = str(graph.get_rt_info(["model_info", key]).value)
        if key == "model_type" and values[key] != _MODEL_TYPES[role]:
            raise ModelUnfitError(
                f"model {path} is a {values[key]}, not a {_MODEL_TYPES[role]}",
                "Check EDGE_DETECTOR and EDGE_CLASSIFIER",
            )
    for key in _OPTIONAL_KEYS:
        if graph.has_rt_info(["model_info", key]):
            values[key] = str(graph.get_rt_info(["model_info", key]).value)
    inputs = [name for port in graph.inputs for name in port.get_names()]
    outputs = [name for port in graph.outputs for name in port.get_names()]
    for name, ports in [(INPUT, inputs), *((name, outputs) for name in _OUTPUTS[role])]:
        if name not in ports:
            raise ModelUnfitError(f"model {path} has no input or output named {name!r}", MEND)
    return ModelInfo(values, path)


@contextmanager
def _refused(problem: str, mend: str = MEND) -> Iterator[None]:
    """Translate what OpenVINO raises about a model.

    OpenVINO has no error tree of its own: each exception of its C++ code arrives as a RuntimeError.
    A TypeError of its Python wrappers means that this program passed a wrong argument. That is a
    fault of this program and no fault of the model, so it is not translated.

    Args:
        problem: What is wrong with the model, without OpenVINO's own words.
        mend: What a person can do about it.

    Yields:
        Nothing.

    Raises:
        ModelUnfitError: OpenVINO refused the call.
    """
    try:
        yield
    except RuntimeError as error:
        raise ModelUnfitError(f"{problem}: {_brief(error)}", mend) from error


def _brief(error: BaseException) -> str:
    """Return the last line of an OpenVINO message; the first lines are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
