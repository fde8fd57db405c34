"""The models of one installation: found by the settings, checked, and ready to run."""

from dataclasses import dataclass
from pathlib import Path

from edge import sidecar
from edge.attributes import GenderHead
from edge.errors import ModelMissingError
from edge.faces import FaceDetector
from edge.inference import loading
from edge.inference.network import Network
from edge.inference.processor import preferred_precision
from edge.manifest import MANIFEST, ModelFiles, Role, find
from edge.masks import MaskClassifier
from edge.settings import MODELS_DIR, Attributes, Precision, Settings
from edge.sidecar import Sidecar


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """The models, ready to run.

    Attributes:
        detector: Finds faces.
        classifier: Labels faces.
        gender: Reads the gender of a face; None unless `EDGE_ATTRIBUTES` asks for it.
    """

    detector: FaceDetector
    classifier: MaskClassifier
    gender: GenderHead | None = None

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each model by its role."""
        digests = {"detector": self.detector.digest, "classifier": self.classifier.digest}
        return digests | ({"gender": self.gender.digest} if self.gender else {})

    @property
    def precisions(self) -> dict[str, str]:
        """The precision in which the device computes each model, by its role; see `make_ready`."""
        found = {"detector": self.detector.precision, "classifier": self.classifier.precision}
        return found | ({"gender": self.gender.precision} if self.gender else {})

    def make_ready(self) -> None:
        """Compile all models, so that the first frame does not wait and `precisions` are known.

        Raises:
            ModelUnfitError: A model cannot be compiled.
        """
        self.detector.make_ready()
        self.classifier.make_ready()
        if self.gender:
            self.gender.make_ready()


def load(settings: Settings, *, mirror: bool = True) -> LoadedModels:
    """Check and load the models that the settings name.

    Args:
        settings: Of this installation.
        mirror: Whether each face is judged together with its mirror image: for single pictures. The
            votes on many frames of one person do without (docs/edge.md).

    Returns:
        The models, with the gender head only if the settings ask for it.

    Raises:
        ModelError: A model is missing, was altered, or cannot be run by this software.
    """
    preferred = preferred_precision(settings.inference_device)

    def network(role: Role) -> Network:
        named = {Role.DETECTOR: settings.detector, Role.CLASSIFIER: settings.classifier}
        files, description = _files(role, named.get(role), settings.precision, preferred)
        return loading.load(
            files,
            sidecar=description,
            device=settings.inference_device,
            threads=settings.inference_threads,
            precision=settings.inference_precision,
            cache_dir=settings.model_cache_dir,
            mirror=mirror,
        )

    counts_gender = settings.attributes is Attributes.GENDER
    return LoadedModels(
        FaceDetector(network(Role.DETECTOR)),
        MaskClassifier(network(Role.CLASSIFIER)),
        GenderHead(network(Role.GENDER)) if counts_gender else None,
    )


def _files(
    role: Role, path: Path | None, precision: Precision, preferred: Precision
) -> tuple[ModelFiles, Sidecar | None]:
    """Return the embedded model, or the model that a setting names and its sidecar, if it has one.

    Raises:
        ModelMissingError: The model that the setting names has neither a sidecar nor a manifest.
    """
    sidecar_path = sidecar.beside(path) if path is not None else None
    if path is not None and sidecar_path is not None:
        description = sidecar.read(sidecar_path, role)
        return sidecar.files_of(path, role, description), description
    if path is not None and not (path.parent / MANIFEST).is_file():
        raise ModelMissingError(
            f"model {path} has neither a sidecar ({path.with_suffix('.json').name} or"
            f" {path.with_suffix('.toml').name}) nor a {MANIFEST} beside it",
            'Write a sidecar; docs/edge.md, "Bring your own model", shows how',
        )
    return find(role, MODELS_DIR, path, precision=precision, preferred=preferred), None
