"""A compiled model: pictures go in, and named arrays come out."""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import openvino as ov

from edge.decoding import decode, output_names
from edge.errors import ModelUnfitError
from edge.inference.model_info import ModelInfo
from edge.inference.pending import Pending
from edge.manifest import MEND, ModelFiles, Role
from edge.sidecar import Output
from edge.values import FloatArray, Image

Arrays = dict[str, FloatArray]

INPUT = "image"

OUTPUTS = {
    Role.DETECTOR: ("boxes", "scores"),
    Role.CLASSIFIER: ("probabilities",),
    Role.GENDER: ("probabilities",),
}
"""The outputs of a model of each role, by name."""

LEAST_SIZES = 4
"""Sizes of pictures for which a model stays compiled at least. A compiled detector takes about
15 MB."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a graph is compiled for.

    Attributes:
        core: OpenVINO.
        device: OpenVINO's name of the device.
        config: OpenVINO's options.
    """

    core: ov.Core
    device: str
    config: Mapping[str, object]

    def compiled(self, graph: ov.Model, *, one_stream: bool = False) -> "Compiled":
        """Compile a graph; `one_stream` makes the device compute one request after the other."""
        config = dict(self.config)
        if one_stream and "NUM_STREAMS" in config:
            config["NUM_STREAMS"] = 1
        return Compiled(self.core.compile_model(graph, self.device, config))


class Compiled:
    """A compiled graph and its requests, which are used again and again.

    Args:
        model: The compiled graph.
    """

    def __init__(self, model: ov.CompiledModel) -> None:
        self._model = model
        self._free: deque[ov.InferRequest] = deque()

    def start(self, batch: Image, names: Sequence[str]) -> Pending[list[FloatArray]]:
        """Begin to run a batch of pictures.

        Args:
            batch: u8 [B, H, W, 3]; it must not change until the answer is there.
            names: Of the outputs; the only output if empty.

        Returns:
            The outputs in the order of `names`. They outlive the next request.
        """
        try:
            request = self._free.pop()
        except IndexError:
            request = self._model.create_infer_request()
        request.start_async({INPUT: batch}, share_inputs=True)

        def finish() -> list[FloatArray]:
            request.wait()
            ports = names or (self._model.outputs[0],)
            found = [np.array(request.get_tensor(port).data) for port in ports]
            self._free.append(request)
            return found

        return Pending(finish)

    @property
    def streams(self) -> int:
        """How many requests the device computes at the same time; 1 if it does not say."""
        try:
            return max(1, int(self._model.get_property("NUM_STREAMS")))
        except RuntimeError:
            return 1

    @property
    def precision(self) -> str:
        """The precision in which the device computes, as OpenVINO names it; empty if unknown."""
        try:
            return str(self._model.get_property("INFERENCE_PRECISION_HINT").to_string())
        except RuntimeError:
            pass  # AUTO, HETERO and MULTI tell it of the devices that they chose
        try:
            chosen = self._model.get_property("DEVICE_PROPERTIES")
        except RuntimeError:
            return ""
        found = {
            device: dict(properties).get("INFERENCE_PRECISION_HINT")
            for device, properties in chosen.items()
        }
        return "+".join(sorted({kind.to_string() for kind in found.values() if kind is not None}))


@dataclass(slots=True)
class Network:
    """A compiled model: pictures go in, and named arrays come out. Several threads may use it.

    A picture may have any size. `expect` makes a size a fast one.

    Attributes:
        files: The model's files, with their hashes.
        info: The model's metadata.
        most_sizes: Sizes of pictures for which the model stays compiled. With fewer than the
            cameras have among them, the model would be compiled at every frame.
    """

    files: ModelFiles
    info: ModelInfo
    _graph: ov.Model = field(repr=False)
    _target: Target = field(repr=False)
    _output: Output | None = field(default=None, repr=False)
    most_sizes: int = LEAST_SIZES
    _any_size: Compiled | None = field(default=None, repr=False)
    _by_size: OrderedDict[tuple[int, int], Compiled] = field(
        default_factory=OrderedDict, repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def digest(self) -> str:
        """The SHA-256 of the whole model (`ModelFiles.digest`)."""
        return self.files.digest

    @property
    def precision(self) -> str:
        """The precision in which the device computes: `f32`, `bf16` or `f16`.

        Empty before the first picture and the first call of `expect`, and for a device that does
        not tell.
        """
        with self._lock:
            compiled = next(iter(self._by_size.values()), self._any_size)
        return compiled.precision if compiled is not None else ""

    def expect(self, height: int, width: int) -> None:
        """Compile the model for a size that many of the next pictures will have.

        The last `most_sizes` sizes stay compiled.

        Args:
            height: In pixels.
            width: In pixels.

        Raises:
            ModelUnfitError: The graph does not accept this size.
        """
        size = (height, width)
        with self._lock:
            if size in self._by_size:
                self._by_size.move_to_end(size)
                return
            graph = self._graph.clone()
            batch = graph.inputs[0].get_partial_shape()[0]
            with refused(f"model {self.info.path} does not accept pictures of {width}×{height}"):
                graph.reshape({INPUT: ov.PartialShape([batch, *size, 3])})
                compiled = self._target.compiled(graph)
            self._by_size[size] = compiled
            if len(self._by_size) > self.most_sizes:
                self._by_size.popitem(last=False)

    def _for_size(self, size: tuple[int, int]) -> Compiled:
        with self._lock:
            if (compiled := self._by_size.get(size)) is not None:
                return compiled
            if self._any_size is None:
                # The first answer of each stream of a graph without a fixed size is unreliable:
                # OpenVINO 2026.4 returned different probabilities at each start, and the right ones
                # from the second answer on.
                compiled = self._target.compiled(self._graph, one_stream=True)
                compiled.start(np.zeros((1, *size, 3), np.uint8), ()).result()
                self._any_size = compiled
            return self._any_size

    def infer(self, image: Image) -> Arrays:
        """Run one picture through the graph.

        Args:
            image: u8 [H, W, 3], BGR.

        Returns:
            The outputs by name, without the batch dimension.

        Raises:
            ModelUnfitError: The graph failed on this picture, or returned arrays of a shape that
                the sidecar does not describe.
        """
        return self.start(np.ascontiguousarray(image)[np.newaxis]).result()[0]

    def start(self, batch: Image) -> Pending[list[Arrays]]:
        """Begin to run pictures of one size through the graph, all at the same time.

        Args:
            batch: u8 [B, H, W, 3], BGR, contiguous; it must not change until the answer is there.

        Returns:
            The outputs of each picture by name, without the batch dimension.

        Raises:
            ModelUnfitError: The graph failed on these pictures, or returned arrays of a shape that
                the sidecar does not describe; the answer raises it, too.
        """
        names = OUTPUTS[self.files.role] if self._output is None else output_names(self._output)
        problem = f"model {self.info.path} failed on a picture of shape {batch.shape[1:]}"
        with refused(problem):
            compiled = self._for_size((batch.shape[1], batch.shape[2]))
            parts = self._parts(batch, compiled)
            started = [compiled.start(part, names) for part in parts]

        def finish() -> list[Arrays]:
            with refused(problem):
                answers = [pending.result() for pending in started]
            return [
                self._decoded([array[i : i + 1] for array in answer], names, batch.shape[1:3])
                for part, answer in zip(parts, answers, strict=True)
                for i in range(len(part))
            ]

        return Pending(finish)

    def _parts(self, batch: Image, compiled: Compiled) -> list[Image]:
        """Divide a batch into one part for each stream of the device."""
        takes_batches = self._graph.inputs[0].get_partial_shape()[0].is_dynamic
        count = min(len(batch), compiled.streams) if takes_batches else len(batch)
        return np.array_split(batch, count) if count > 1 else [batch]

    def _decoded(
        self, answer: list[FloatArray], names: Sequence[str], size: tuple[int, ...]
    ) -> Arrays:
        arrays = dict(zip(names or ("its only output",), answer, strict=True))
        if self._output is None:
            return {name: array[0] for name, array in arrays.items()}
        return decode(self._output, arrays, *size)


@contextmanager
def refused(problem: str, mend: str = MEND) -> Iterator[None]:
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
