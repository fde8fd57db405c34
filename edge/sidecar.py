"""Sidecars: a file beside a model of your own describes its input and its output.

docs/edge.md, "Bring your own model", has examples.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from cloud.contract import Label
from edge.errors import ModelAlteredError, ModelMissingError, ModelUnfitError
from edge.manifest import ModelFiles, Role

SUFFIXES = (".json", ".toml")

Share = Annotated[float, Field(ge=0, le=1)]
Triple = tuple[float, float, float]
Side = Annotated[int, Field(ge=1, le=8192)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Closed):
    """The model's input: how a picture is prepared."""

    size: tuple[Side, Side] = Field(description="Width and height in pixels")
    layout: Literal["nchw", "nhwc"] = "nchw"
    colour: Literal["bgr", "rgb"] = "rgb"
    mean: Triple = Field(
        default=(0.0, 0.0, 0.0), description="Subtracted from 0…255, in the order of `colour`"
    )
    scale: Triple = Field(
        default=(1.0, 1.0, 1.0),
        description="Divisor after the mean was subtracted; no value may be 0",
    )
    multiple: Annotated[int, Field(ge=0, le=1024)] = Field(
        default=0,
        description="For detectors that accept any size: `size` is the largest, and both sides are"
        " filled up to a multiple of this",
    )

    @model_validator(mode="after")
    def _no_division_by_zero(self) -> "Input":
        if 0.0 in self.scale:
            raise ValueError("scale holds 0, and nothing can be divided by 0")
        return self


class YuNetOutput(_Closed):
    """The outputs of YuNet: `cls_S`, `obj_S`, `bbox_S` and `kps_S` for each stride S."""

    kind: Literal["yunet"]
    strides: tuple[Side, ...] = Field(default=(8, 16, 32), min_length=1)
    confidence: Share = 0.6
    iou: Share = 0.45


class BoxesOutput(_Closed):
    """Decoded boxes and their scores, as models like SSD return them."""

    kind: Literal["boxes"]
    boxes: str = Field(default="boxes", description="Name of the output [1, N, 4]")
    scores: str = Field(default="scores", description="Name of the output [1, N] or [1, N, C]")
    corners: Literal["x0y0x1y1", "x0y0wh", "cxcywh"] = "x0y0x1y1"
    unit: Literal["fraction", "pixel"] = Field(
        default="fraction", description="Fractions or pixels of the model's input"
    )
    face_columns: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(),
        description="Columns of scores [1, N, C] that mean a face; their sum is the score",
    )
    confidence: Share = 0.5
    iou: Share = 0.45


class ProbabilitiesOutput(_Closed):
    """One row of numbers for the crop of a face."""

    kind: Literal["probabilities"]
    name: str = Field(
        default="", description="Name of the output; may be left out if the model has only one"
    )
    labels: tuple[Label, ...] = Field(
        min_length=2,
        description="Labels of the columns; of a single column, the labels of its values 1 and 0",
    )
    activation: Literal["none", "softmax", "sigmoid"] = Field(
        default="none", description="Function that the edge has to apply to the numbers"
    )
    confidence: Share = Field(default=0.5, description="Least probability of with_mask")
    crop_margin: Annotated[float, Field(ge=0, le=2)] = 0.2
    min_face_size: Annotated[float, Field(ge=1, le=1000)] = 32

    @model_validator(mode="after")
    def _labels_make_sense(self) -> "ProbabilitiesOutput":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels has one label twice")
        if Label.WITH_MASK not in self.labels:
            raise ValueError("labels lacks with_mask; without it nobody could enter")
        return self


Output = Annotated[YuNetOutput | BoxesOutput | ProbabilitiesOutput, Field(discriminator="kind")]


class Sidecar(_Closed):
    """One sidecar: the model's role, input and output."""

    # A pydantic model has a method `schema`, hence the alias.
    edition: Literal[1] = Field(default=1, alias="schema")
    role: Literal["detector", "classifier"]
    name: str = Field(default="", max_length=80)
    version: str = Field(default="", max_length=40)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="Of the model's file; if it is given, no other file is accepted"
    )
    input: Input
    output: Output

    @model_validator(mode="after")
    def _role_and_output_agree(self) -> "Sidecar":
        if (self.output.kind == "probabilities") != (self.role == "classifier"):
            raise ValueError(f"a {self.role} cannot have an output of kind {self.output.kind}")
        return self

    def info(self) -> dict[str, str]:
        """Return the metadata under the keys of docs/decisions/0001-model-contract.md."""
        info = {
            "model_name": self.name,
            "model_version": self.version,
            "input_size": f"{self.input.size[0]} {self.input.size[1]}",
            "confidence_threshold": str(self.output.confidence),
        }
        if isinstance(self.output, ProbabilitiesOutput):
            return info | {
                "model_type": "mask_classifier",
                "labels": " ".join(self.output.labels),
                "resize": "stretch",
                "crop_margin": str(self.output.crop_margin),
                "min_face_size": str(self.output.min_face_size),
            }
        return info | {
            "model_type": "face_detector",
            "labels": "face",
            "resize": "fit",
            "size_multiple": str(self.input.multiple),
            "iou_threshold": str(self.output.iou),
        }


def beside(model: Path) -> Path | None:
    """Return the sidecar of a model's file (its name with .json or .toml); None if it has none."""
    candidates = (model.with_suffix(suffix) for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def read(path: Path, role: Role) -> Sidecar:
    """Read a sidecar.

    Args:
        path: Of the sidecar.
        role: The task that a setting gives the model.

    Returns:
        The sidecar.

    Raises:
        ModelMissingError: The file cannot be read.
        ModelUnfitError: The file cannot be parsed, a field is wrong, or the role is another.
    """
    mend = 'docs/edge.md, "Bring your own model", shows a complete sidecar'
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            sidecar = Sidecar.model_validate(tomllib.loads(text))
        else:
            sidecar = Sidecar.model_validate_json(text)
    except OSError as error:
        raise ModelMissingError(f"sidecar {path} cannot be read: {error.strerror}", mend) from error
    except ValidationError as error:
        flaws = "; ".join(
            f"{'.'.join(str(part) for part in flaw['loc']) or 'as a whole'}: {flaw['msg']}"
            for flaw in error.errors(include_url=False, include_input=False)
        )
        raise ModelUnfitError(f"sidecar {path} is wrong: {flaws}", mend) from error
    except ValueError as error:  # tomllib's and UTF-8's
        raise ModelUnfitError(f"sidecar {path} cannot be parsed: {error}", mend) from error
    if sidecar.role != role:
        raise ModelUnfitError(
            f"sidecar {path}: role is {sidecar.role}, but a setting names the model as the {role}",
            "Check EDGE_DETECTOR and EDGE_CLASSIFIER",
        )
    return sidecar


def files_of(model: Path, role: Role, sidecar: Sidecar) -> ModelFiles:
    """Hash the files of a model that has a sidecar.

    Args:
        model: The model's file.
        role: Task of the model.
        sidecar: Of the model.

    Returns:
        The files with the hashes that they have now.

    Raises:
        ModelMissingError: A file does not exist.
        ModelAlteredError: The sidecar names another SHA-256.
    """
    names = [model, model.with_suffix(".bin")] if model.suffix == ".xml" else [model]
    digests: dict[str, str] = {}
    for path in names:
        try:
            digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelMissingError(
                f"model file {path} cannot be read: {error.strerror}",
                "Check EDGE_DETECTOR and EDGE_CLASSIFIER",
            ) from error
    if sidecar.sha256 is not None and digests[model.name] != sidecar.sha256:
        raise ModelAlteredError(
            f"model file {model} has SHA-256 {digests[model.name]}, but its sidecar says"
            f" {sidecar.sha256}",
            "Fetch the file again; if you changed it on purpose, remove sha256 from the sidecar",
        )
    return ModelFiles(role, sidecar.name or model.stem, sidecar.version, model.parent, digests)
