"""Models of your own: what stands beside a model's file and says how to feed and read it.

docs/edge.md, "Bring your own model", explains it with examples.
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
    """How a picture goes into the model."""

    size: tuple[Side, Side] = Field(description="Width and height in pixels")
    layout: Literal["nchw", "nhwc"] = "nchw"
    colour: Literal["bgr", "rgb"] = "rgb"
    mean: Triple = Field(
        default=(0.0, 0.0, 0.0), description="Subtracted from 0…255, in the order of `colour`"
    )
    scale: Triple = Field(
        default=(1.0, 1.0, 1.0), description="Divided by, after the mean; no value may be 0"
    )
    multiple: Annotated[int, Field(ge=0, le=1024)] = Field(
        default=0,
        description="For detectors that take any size: `size` is the most, sides are filled up to"
        " a multiple of this",
    )

    @model_validator(mode="after")
    def _no_division_by_zero(self) -> "Input":
        if 0.0 in self.scale:
            raise ValueError("scale holds 0, by which nothing can be divided")
        return self


class YuNetOutput(_Closed):
    """Twelve outputs, `cls_S`, `obj_S`, `bbox_S` and `kps_S` for each stride S."""

    kind: Literal["yunet"]
    strides: tuple[Side, ...] = Field(default=(8, 16, 32), min_length=1)
    confidence: Share = 0.6
    iou: Share = 0.45


class BoxesOutput(_Closed):
    """Boxes that are decoded already, and their scores, as SSD-like models give them."""

    kind: Literal["boxes"]
    boxes: str = Field(default="boxes", description="Name of the output [1, N, 4]")
    scores: str = Field(default="scores", description="Name of the output [1, N] or [1, N, C]")
    corners: Literal["x0y0x1y1", "x0y0wh", "cxcywh"] = "x0y0x1y1"
    unit: Literal["fraction", "pixel"] = Field(
        default="fraction", description="Of the model's input, or pixels of it"
    )
    face_columns: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(),
        description="Of scores [1, N, C]: the columns that mean a face; their sum is the score",
    )
    confidence: Share = 0.5
    iou: Share = 0.45


class ProbabilitiesOutput(_Closed):
    """One row of numbers for a face crop."""

    kind: Literal["probabilities"]
    name: str = Field(default="", description="Of the output; may be left out if there is one")
    labels: tuple[Label, ...] = Field(
        min_length=2,
        description="Of the columns; with one column (sigmoid), of its value 1 and of its value 0",
    )
    activation: Literal["none", "softmax", "sigmoid"] = Field(
        default="none", description="What is still to be applied to the numbers"
    )
    confidence: Share = Field(default=0.5, description="That with_mask needs at least")
    crop_margin: Annotated[float, Field(ge=0, le=2)] = 0.2
    min_face_size: Annotated[float, Field(ge=1, le=1000)] = 32

    @model_validator(mode="after")
    def _labels_make_sense(self) -> "ProbabilitiesOutput":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels names one twice")
        if Label.WITH_MASK not in self.labels:
            raise ValueError("labels lacks with_mask, without which nobody could enter")
        return self


Output = Annotated[YuNetOutput | BoxesOutput | ProbabilitiesOutput, Field(discriminator="kind")]


class Sidecar(_Closed):
    """What one model is, what it takes and what it gives."""

    # `schema` is a method of pydantic's own, hence the alias.
    edition: Literal[1] = Field(default=1, alias="schema")
    role: Literal["detector", "classifier"]
    name: str = Field(default="", max_length=80)
    version: str = Field(default="", max_length=40)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="Of the model's file; where it is given, no other file starts"
    )
    input: Input
    output: Output

    @model_validator(mode="after")
    def _role_and_output_agree(self) -> "Sidecar":
        if (self.output.kind == "probabilities") != (self.role == "classifier"):
            raise ValueError(f"a {self.role} cannot have an output of kind {self.output.kind}")
        return self

    def info(self) -> dict[str, str]:
        """The same as `rt_info/model_info` says it (docs/decisions/0001-model-contract.md)."""
        said = {
            "model_name": self.name,
            "model_version": self.version,
            "input_size": f"{self.input.size[0]} {self.input.size[1]}",
            "confidence_threshold": str(self.output.confidence),
        }
        if isinstance(self.output, ProbabilitiesOutput):
            return said | {
                "model_type": "mask_classifier",
                "labels": " ".join(self.output.labels),
                "resize": "stretch",
                "crop_margin": str(self.output.crop_margin),
                "min_face_size": str(self.output.min_face_size),
            }
        return said | {
            "model_type": "face_detector",
            "labels": "face",
            "resize": "fit",
            "size_multiple": str(self.input.multiple),
            "iou_threshold": str(self.output.iou),
        }


def beside(model: Path) -> Path | None:
    """The sidecar of a model's file: the same name, ending in .json or .toml; None without one."""
    candidates = (model.with_suffix(suffix) for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def read(path: Path, role: Role) -> Sidecar:
    """Read a sidecar.

    Raises:
        ModelUnfitError: It cannot be parsed, a field is wrong, or it is of another role.
    """
    mend = 'docs/edge.md, "Bring your own model", shows a whole one'
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
            f"sidecar {path}: role is {sidecar.role}, but it was named as the {role}",
            "Check EDGE_DETECTOR and EDGE_CLASSIFIER",
        )
    return sidecar


def files_of(model: Path, role: Role, sidecar: Sidecar) -> ModelFiles:
    """A model's files, hashed as they are; those of the manifest have their hashes from there.

    Raises:
        ModelMissingError: The file is not there.
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
            "Fetch the file again, or take sha256 out of the sidecar if the change is wanted",
        )
    return ModelFiles(role, sidecar.name or model.stem, sidecar.version, model.parent, digests)
