"""Models, run through OpenVINO: ours as they are installed at the edge or about to be, and the
peers'.

With `training.export` the workshop's door to openvino (docs/decisions/0003-workshop-inference.md).
It reads IR, ONNX, TensorFlow's frozen graphs and TensorFlow Lite alike, so that every model of a
comparison has the same runtime, the same precision hint and the same number of threads.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import openvino
from numpy.typing import NDArray

from training.errors import MissingModelError, UnfitModelError

_FOREIGN = (RuntimeError, TypeError, ValueError, KeyError)
"""What OpenVINO raises; it has no error tree of its own."""


Graph: TypeAlias = openvino.Model
"""A model that is in memory, and in no file yet."""


class Network:
    """One compiled model on this machine's CPU, of one input.

    Args:
        source: An .xml with its .bin, .onnx, .pb or .tflite file; or a graph, which stays as it is.
        threads: For inference; None leaves it to OpenVINO.
        shape: Of the input, where the file leaves a dimension open and the caller does not.

    Raises:
        MissingModelError: The file is not there.
        UnfitModelError: It cannot be read, compiled or given that shape.
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
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
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
    def info(self) -> Mapping[str, str]:
        """What the file says of itself in `rt_info/model_info`; empty where it says nothing."""
        if not self._graph.has_rt_info(["model_info"]):
            return {}
        entries = self._graph.get_rt_info(["model_info"]).value
        return {key: str(entries[key]) for key in entries}

    def expect(self, shape: Sequence[int]) -> None:
        """Compile for inputs of this shape, which the next ones will have: as the edge does for its
        camera's size. Raises UnfitModelError.
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
        """The outputs by each of their names. Raises UnfitModelError."""
        compiled = self._one if array.shape == self._expected else self._any
        try:
            if self._fresh and compiled is self._any:
                # What a graph of open sizes answers first is not to be trusted: OpenVINO 2026.4
                # gave another row at each start, and the right one from the second on.
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
    """The last line of an OpenVINO message: the first ones are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
