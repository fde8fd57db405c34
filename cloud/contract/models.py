"""Model packages, and the update of a device's model from afar."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cloud.contract.base import Integer, Sha256, UtcTime, Wire

ModelRole = Literal["detector", "classifier"]
"""The task of a model that can be updated from afar."""

ModelText = Annotated[str, StringConstraints(max_length=80)]


class ModelPackage(Wire):
    """A model with its manifest, in one ZIP file that the cloud keeps for its devices."""

    sha256: Sha256 = Field(description="Of the package, and its id")
    size: Integer = Field(ge=1, description="Of the package, in bytes")
    role: ModelRole
    name: ModelText
    version: ModelText = ""
    added_at: UtcTime


class ModelChoice(Wire):
    """The package that a device shall take."""

    sha256: Sha256


class ModelRollback(Wire):
    """The model that a device shall replace by the one before."""

    role: ModelRole = "classifier"


class ModelOrder(Wire):
    """A command's order to take a model. The device gets it from its own cloud alone."""

    role: ModelRole
    sha256: Sha256 = Field(description="Of the package")
    size: Integer = Field(ge=1, description="Of the package, in bytes")
    version: ModelText = ""
    path: Annotated[str, StringConstraints(max_length=200)] = Field(
        description="Address of the package at the cloud, without the host"
    )


class ModelUpdateState(StrEnum):
    """How far a device is with its last model update."""

    DOWNLOADING = "downloading"
    TRYING = "trying"
    """The model runs in a process of its own, on a picture that comes with the edge."""

    ON_PROBATION = "on_probation"
    """The model judges; the device goes back by itself if the model fails."""

    INSTALLED = "installed"
    FAILED = "failed"
    """The model never judged; the one before goes on."""

    ROLLED_BACK = "rolled_back"
    """The model judged, and the one before has taken its place again."""


class ModelUpdate(Wire):
    """A device's last model update, as its heartbeat reports it."""

    role: ModelRole
    sha256: Sha256 = Field(description="Of the package")
    version: ModelText = ""
    state: Annotated[str, StringConstraints(max_length=40)] = Field(
        description="One of ModelUpdateState; a reader shows one that it does not know as it is"
    )
    problem: Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,39})?$")] = Field(
        default="", description="Why it failed or was rolled back, by name; empty otherwise"
    )
    detail: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="The reason, for people"
    )
    at: UtcTime
