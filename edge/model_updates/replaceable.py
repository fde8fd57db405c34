"""Models that can be replaced while the pipeline runs, and that fall back while a model is new.

The pipeline keeps one detector and one classifier for its whole run. These two pass each call on to
the model that is in use. While a model is on probation, the one before is kept beside it. A frame
on which the new model fails is judged by the old one, so no verdict is lost.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from edge.faces import FaceDetector
from edge.inference.pending import Pending
from edge.masks import MaskClassifier
from edge.values import Face, Image, Judgement

_Model = TypeVar("_Model")
_Answer = TypeVar("_Answer")


class Probation(Generic[_Model]):
    """The model in use and, while it is on probation, the model before.

    Args:
        model: In use from the start.

    Attributes:
        answers: Of the model on probation so far.
        on_failure: Is called with the error of a model on probation, after the model before has
            taken its place.
    """

    def __init__(self, model: _Model) -> None:
        self._lock = threading.Lock()
        self._models: tuple[_Model, _Model | None] = (model, None)
        self._began: float | None = None
        self.answers = 0
        self.on_failure: Callable[[Exception], None] = lambda _error: None

    @property
    def model(self) -> _Model:
        """The model in use."""
        return self._models[0]

    @property
    def busy_s(self) -> float:
        """Seconds that the present call of a model on probation has lasted; 0 without one."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def replace(self, model: _Model, *, on_probation: bool) -> None:
        """Use another model from the next call on."""
        with self._lock:
            before = self._models[0] if on_probation else None
            self._models, self.answers = (model, before), 0

    def guard(self, before: _Model) -> None:
        """Put the model in use on probation, with another at hand."""
        with self._lock:
            self._models = (self._models[0], before)

    def confirm(self) -> None:
        """Keep the model, and let the one before go."""
        with self._lock:
            self._models = (self._models[0], None)

    def call(self, start: Callable[[_Model], Pending[_Answer]]) -> Pending[_Answer]:
        """Call the model in use; a model on probation that fails gives way to the one before.

        Args:
            start: Begins the call of a model.

        Returns:
            The answer. It is there already if the model is on probation.

        Raises:
            ModelUnfitError: A model that is not on probation failed.
        """
        model, before = self._models
        if before is None:
            return start(model)
        self._began = time.monotonic()
        try:
            answer = start(model).result()
        except Exception as error:  # noqa: BLE001 - reported, and answered by the model before
            with self._lock:
                self._models = (before, None)
            self.on_failure(error)
            return start(before)
        finally:
            self._began = None
        self.answers += 1
        return Pending(lambda: answer)


class ReplaceableDetector(FaceDetector):
    """A face detector that can be replaced.

    Args:
        detector: In use from the start.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self.probation = Probation(detector)
        self._expected: tuple[int, int] | None = None
        self._take_over(detector)

    def _take_over(self, detector: FaceDetector) -> None:
        self.threshold = detector.threshold
        self.certain_threshold = detector.certain_threshold

    @property
    def digest(self) -> str:
        """The SHA-256 of the model in use."""
        return self.probation.model.digest

    @property
    def precision(self) -> str:
        """The precision in which the device computes the model in use."""
        return self.probation.model.precision

    def make_ready(self) -> None:
        """Compile the model in use."""
        self.probation.model.make_ready()

    def replace(self, detector: FaceDetector, *, on_probation: bool) -> None:
        """Use another detector from the next frame on; it is compiled before."""
        if self._expected is not None:
            detector.expect(*self._expected)
        self.probation.replace(detector, on_probation=on_probation)
        self._take_over(detector)

    def expect(self, height: int, width: int) -> None:
        """Compile the model in use for pictures of this size in pixels."""
        self._expected = height, width
        self.probation.model.expect(height, width)

    def start(self, image: Image, *, min_score: float | None = None) -> Pending[list[Face]]:
        """Begin to find the faces of one picture; see `FaceDetector.start`."""
        found = self.probation.call(lambda model: model.start(image, min_score=min_score))
        self._take_over(self.probation.model)
        return found


class ReplaceableClassifier(MaskClassifier):
    """A mask classifier that can be replaced.

    Args:
        classifier: In use from the start.
    """

    def __init__(self, classifier: MaskClassifier) -> None:
        self.probation = Probation(classifier)
        self._take_over(classifier)

    def _take_over(self, classifier: MaskClassifier) -> None:
        self.min_face_size = classifier.min_face_size
        self.untested_labels = classifier.untested_labels

    @property
    def digest(self) -> str:
        """The SHA-256 of the model in use."""
        return self.probation.model.digest

    @property
    def precision(self) -> str:
        """The precision in which the device computes the model in use."""
        return self.probation.model.precision

    def make_ready(self) -> None:
        """Compile the model in use."""
        self.probation.model.make_ready()

    def replace(self, classifier: MaskClassifier, *, on_probation: bool) -> None:
        """Use another classifier from the next frame on; it is compiled before."""
        classifier.make_ready()
        self.probation.replace(classifier, on_probation=on_probation)
        self._take_over(classifier)

    def start(self, image: Image, faces: Iterable[Face]) -> Pending[list[Judgement]]:
        """Begin to label faces; see `MaskClassifier.start`."""
        faces = list(faces)
        if not faces:
            return Pending(list)
        labels = self.probation.call(lambda model: model.start(image, faces))
        self._take_over(self.probation.model)
        return labels
