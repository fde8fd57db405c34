"""The models of one installation: found by the settings, checked, and ready to run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

from cloud.contract import DeviceProblem
from edge import sidecar
from edge.attributes import GenderHead
from edge.errors import ModelError, ModelMissingError
from edge.faces import FaceDetector
from edge.inference import loading
from edge.inference.network import LEAST_SIZES, Network
from edge.inference.processor import preferred_precision
from edge.manifest import MANIFEST, ModelFiles, Role, find
from edge.masks import MaskClassifier
from edge.model_updates.installed import InstalledModels
from edge.model_updates.replaceable import ReplaceableClassifier, ReplaceableDetector
from edge.model_updates.trial import try_out
from edge.model_updates.updater import ModelUpdater, PackageSource, UpdateRules
from edge.settings import MODELS_DIR, Attributes, Precision, Settings
from edge.sidecar import Sidecar


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """The models, ready to run.

    Attributes:
        detector: Finds faces.
        classifier: Labels faces.
        gender: Reads the gender of a face; None unless `EDGE_ATTRIBUTES` asks for it.
        origins: Where each model comes from, in words, by its role.
        fallbacks: Why an installed model could not be used, by its role; the model that comes with
            the edge was loaded in its place.
    """

    detector: FaceDetector
    classifier: MaskClassifier
    gender: GenderHead | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, str] = field(default_factory=dict)

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


def load(
    settings: Settings, installed: InstalledModels | None = None, *, mirror: bool = True
) -> LoadedModels:
    """Check and load the models that the settings name, or the cloud, or that come with the edge.

    Args:
        settings: Of this installation.
        installed: The models from the cloud; None to read their record from the state folder.
        mirror: Whether each face is judged together with its mirror image: for single pictures. The
            votes on many frames of one person do without (docs/edge.md).

    Returns:
        The models, with the gender head only if the settings ask for it.

    Raises:
        ModelError: A model is missing, was altered, or cannot be run by this software. For a model
            from the cloud, the model that comes with the edge is loaded in its place.
    """
    if installed is None:
        installed = InstalledModels(settings.installed_models_dir)
    origins: dict[str, str] = {}
    fallbacks: dict[str, str] = {}
    if installed.is_damaged:
        fallbacks["record"] = f"{installed.folder} has no record that can be read"

    def checked(role: Role) -> FaceDetector | MaskClassifier:
        package = installed.model(role)
        if package is not None and settings.own_model(role) is None:
            try:
                model = load_role(
                    settings, role, installed.package_folder(package.sha256), mirror=mirror
                )
                model.make_ready()
            except ModelError as error:
                fallbacks[str(role)] = error.problem
            else:
                origins[str(role)] = f"from the cloud, version {package.version or package.sha256}"
                return model
        own = settings.own_model(role)
        origins[str(role)] = f"from {own}" if own is not None else "comes with the edge"
        return load_role(settings, role, None, mirror=mirror)

    detector = cast("FaceDetector", checked(Role.DETECTOR))
    classifier = cast("MaskClassifier", checked(Role.CLASSIFIER))
    counts_gender = settings.attributes is Attributes.GENDER
    gender = (
        GenderHead(_network(settings, Role.GENDER, None, mirror=mirror)) if counts_gender else None
    )
    return LoadedModels(detector, classifier, gender, origins, fallbacks)


def load_role(
    settings: Settings, role: Role, folder: Path | None, *, mirror: bool = True
) -> FaceDetector | MaskClassifier:
    """Load one model.

    Args:
        settings: Of this installation.
        role: Detector or classifier.
        folder: Of a package from the cloud; None for the model that a setting names, or that comes
            with the edge.
        mirror: As in `load`.

    Returns:
        The model.

    Raises:
        ModelError: The model cannot be used.
    """
    network = _network(settings, role, folder, mirror=mirror)
    return FaceDetector(network) if role is Role.DETECTOR else MaskClassifier(network)


def make_updater(
    settings: Settings,
    installed: InstalledModels,
    models: LoadedModels,
    source: PackageSource,
    on_change: Callable[[], None],
) -> ModelUpdater:
    """Make the updater of models that `replaceable` returned.

    Args:
        settings: Of this installation.
        installed: The record of the models from the cloud.
        models: Of the pipeline.
        source: The cloud.
        on_change: Is called after another model has taken over.

    Returns:
        The updater; it is not started.

    Raises:
        TypeError: The models cannot be replaced.
    """
    detector, classifier = models.detector, models.classifier
    if not isinstance(detector, ReplaceableDetector) or not isinstance(
        classifier, ReplaceableClassifier
    ):
        raise TypeError("call `replaceable` first")
    refusals = [
        (role, f"EDGE_{role.upper()} names the model of this device; remove the setting")
        for role in (Role.DETECTOR, Role.CLASSIFIER)
        if settings.own_model(role) is not None
    ]
    if not settings.model_updates:
        refusals = [
            (role, "EDGE_MODEL_UPDATES is off on this device")
            for role in (Role.DETECTOR, Role.CLASSIFIER)
        ]

    def try_model(folder: Path, role: Role) -> None:
        try_out(
            folder,
            role,
            device=settings.inference_device,
            precision=settings.inference_precision,
        )

    return ModelUpdater(
        installed,
        source,
        detector=detector,
        classifier=classifier,
        load=partial(load_role, settings, mirror=False),
        try_out=try_model,
        rules=UpdateRules(
            probation_s=settings.model_probation_s,
            hang_after_s=settings.stall_after_s,
            refusals=tuple(refusals),
        ),
        on_change=on_change,
    )


def replaceable(models: LoadedModels) -> LoadedModels:
    """Return the models so that a `ModelUpdater` can replace them while they run."""
    return replace(
        models,
        detector=ReplaceableDetector(models.detector),
        classifier=ReplaceableClassifier(models.classifier),
    )


def model_problems(models: LoadedModels, updater: ModelUpdater) -> tuple[DeviceProblem, ...]:
    """Return the names of the problems with models from the cloud, for the heartbeat."""
    return ((DeviceProblem.MODEL_FALLBACK,) if models.fallbacks else ()) + updater.problems


def _network(settings: Settings, role: Role, folder: Path | None, *, mirror: bool) -> Network:
    if folder is not None:
        files, description = find(role, folder), None
    else:
        preferred = preferred_precision(settings.inference_device)
        path = settings.own_model(role)
        files, description = _files(role, path, settings.precision, preferred)
    return loading.load(
        files,
        sidecar=description,
        device=settings.inference_device,
        threads=settings.inference_threads,
        precision=settings.inference_precision,
        cache_dir=settings.model_cache_dir,
        mirror=mirror,
        # Each camera may have a size of its own.
        sizes=max(LEAST_SIZES, 1 + len(settings.further_cameras)),
    )


def _files(
    role: Role, path: Path | None, precision: Precision, preferred: Precision
) -> tuple[ModelFiles, Sidecar | None]:
    """Return the embedded model, or the model that a setting names and its sidecar, if it has one.

    Raises:
        ModelMissingError: The model that the setting names does not exist, or has neither a sidecar
            nor a manifest.
    """
    sidecar_path = sidecar.beside(path) if path is not None else None
    if path is not None and sidecar_path is not None:
        description = sidecar.read(sidecar_path, role)
        return sidecar.files_of(path, role, description), description
    if path is not None and not path.exists():
        variable = f"EDGE_{role.upper()}"
        raise ModelMissingError(
            f"model {path} does not exist",
            f"Check {variable}, or remove it for the model that comes with the edge",
        )
    if path is not None and not (path.parent / MANIFEST).is_file():
        raise ModelMissingError(
            f"model {path} has neither a sidecar ({path.with_suffix('.json').name} or"
            f" {path.with_suffix('.toml').name}) nor a {MANIFEST} beside it",
            'Write a sidecar; docs/edge.md, "Bring your own model", shows how',
        )
    return find(role, MODELS_DIR, path, precision=precision, preferred=preferred), None
