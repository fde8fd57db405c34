"""Errors of the workshop.

    TrainingError
    ├── DataError                 something about the pictures or their labels
    │   ├── MissingData           a folder or file that is needed is not there
    │   ├── UnknownLayout         a folder that is none of the layouts we read
    │   ├── UnknownLabel          a class name that means neither mask nor face to us
    │   ├── EmptyClass            a class without a single picture
    │   └── SingleClass           a classifier cannot be trained on one class
    ├── CheckpointError           a checkpoint that cannot be used
    │   ├── MissingCheckpoint     none is there
    │   └── ConfigurationMismatch it was written under another configuration
    └── ExportError               the exported model does not say what the trained one says

Every message names the thing and what mends it.
"""


class TrainingError(Exception):
    """Root of everything the workshop raises on purpose."""


class DataError(TrainingError):
    """Something about the pictures or their labels."""


class MissingData(DataError):
    """A folder or file that is needed is not there."""


class UnknownLayout(DataError):
    """A folder that is none of the layouts we read."""


class UnknownLabel(DataError):
    """A class name that means neither mask nor face to us."""


class EmptyClass(DataError):
    """A class without a single picture."""


class SingleClass(DataError):
    """A classifier cannot be trained on one class."""


class CheckpointError(TrainingError):
    """A checkpoint that cannot be used."""


class MissingCheckpoint(CheckpointError):
    """None is there."""


class ConfigurationMismatch(CheckpointError):
    """It was written under another configuration."""


class ExportError(TrainingError):
    """The exported model does not say what the trained one says."""
