"""Run models through OpenVINO: ours, installed or in memory, and the peers'.

Beside the modules that build and write graphs, this is the only one that imports openvino
(docs/decisions/0003-workshop-inference.md). It reads IR, ONNX, TensorFlow's frozen graphs and
TensorFlow Lite alike, so every model of a comparison has the same runtime, the same performance
hint and the same number of threads.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import openvino
from numpy.typing import NDArray

from training.errors import MissingModelError, UnfitModelError

OPTIONS: Mapping[str, str] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
"""OpenVINO's options for every model that is run here.

Without the second one, OpenVINO computes in 16 bits where the processor has instructions for it
(AVX512-BF16, AMX): scores differ by up to 0.09 from those of torch and of other processors. 8-bit
models stay in 8 bits."""

_FOREIGN = (RuntimeError, TypeError, ValueError, KeyError)
"""The exceptions of OpenVINO, which has no error tree of its own."""


Graph: TypeAlias = openvino.Model
"""A model in memory that is in no file yet."""


class Network:
    """A compiled model with one input, on this machine's CPU.

    Args:
        source: An .xml with its .bin, .onnx, .pb or .tflite file; or a graph, which is not changed.
        threads: For inference; None leaves the number to OpenVINO.
        shape: Of the input, where the file leaves a dimension open and the caller does not.

    Raises:
        MissingModelError: The file is not there.
        UnfitModelError: The model cannot be read, compiled or given that shape.
    """

    def __init__(
        self,
        source: Path | Graph,
        *,
        threads: int | None = None,
        shape: Sequence[int] | None = None,
    ) -> None:
        if isinstance(source, Path) and not source.is_file():
            raise MissingModelError(
                f"model file {source} is not there; name another, or put it back"
            )
        self.path = source if isinstance(source, Path) else Path(source.get_friendly_name())
        self._core = openvino.Core()
        self._options: dict[str, Any] = dict(OPTIONS)
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        try:
            self._graph = (
                self._core.read_model(source) if isinstance(source, Path) else source.clone()
            )
            if shape is not None:
                self._graph.reshape(list(shape))
            self._any = self._compiled(self._graph)
            self._fresh = self._graph.is_dynamic()
        except _FOREIGN as error:
            raise UnfitModelError(
                f"model {self.path} cannot be used: {brief(error)}; export or download it again"
            ) from error
        self._expected: tuple[int, ...] | None = None
        self._one = self._any

    def _compiled(self, graph: openvino.Model) -> openvino.CompiledModel:
        return self._core.compile_model(graph, "CPU", self._options)

    @property
    def precision(self) -> str:
        """The precision in which the processor computes, as the compiled model tells it."""
        return str(self._any.get_property("INFERENCE_PRECISION_HINT").to_string())

    @property
    def info(self) -> Mapping[str, str]:
        """What the model says about itself in `rt_info/model_info`; empty where it says nothing."""
        if not self._graph.has_rt_info(["model_info"]):
            return {}
        entries = self._graph.get_rt_info(["model_info"]).value
        return {key: str(entries[key]) for key in entries}

    def expect(self, shape: Sequence[int]) -> None:
        """Compile the model for inputs of one shape, as the edge does for its camera's size.

        Args:
            shape: Of the next inputs.

        Raises:
            UnfitModelError: The model cannot take inputs of this shape.
        """
        if self._expected == tuple(shape):
            return
        graph = self._graph.clone()
        try:
            graph.reshape(list(shape))
            self._one = self._compiled(graph)
        except _FOREIGN as error:
            raise UnfitModelError(
                f"model {self.path} cannot take an input of shape {list(shape)}: {brief(error)}"
            ) from error
        self._expected = tuple(shape)

    def infer(self, array: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run the model.

        Args:
            array: The input.

        Returns:
            The outputs, by each of their names.

        Raises:
            UnfitModelError: The model fails on the input.
        """
        compiled = self._one if array.shape == self._expected else self._any
        try:
            if self._fresh and compiled is self._any:
                # The first answer of a graph with open sizes can be wrong: OpenVINO 2026.4 gave
                # another row at each start, and the right one from the second call on.
                compiled([array])
                self._fresh = False
            answer = compiled([array])
            return {
                name: np.asarray(answer[port])
                for index, port in enumerate(compiled.outputs)
                for name in port.get_names() or {str(index)}
            }
        except _FOREIGN as error:
            raise UnfitModelError(
                f"model {self.path} failed on an input of shape {array.shape}: {brief(error)}"
            ) from error


def brief(error: BaseException) -> str:
    """Return the last line of OpenVINO's message: the first lines are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
