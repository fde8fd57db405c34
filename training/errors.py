"""Errors of training.

    TrainingError
    ├── DataError                 something is wrong with the pictures or their labels
    │   ├── MissingDataError           a folder or file does not exist
    │   ├── UnknownLayoutError         a folder is in none of the known layouts
    │   ├── UnknownLabelError          a class name is unknown
    │   ├── EmptyClassError            a class holds no picture
    │   ├── SingleClassError           there is only one class, and a classifier needs two
    │   ├── DamagedIndexError          an index or a list cannot be read
    │   └── ExistingListError          a list of suspects exists, and may have been edited
    ├── SourceError               a camera, video or folder of pictures cannot be read
    ├── ScreenError               a window is needed and cannot be opened
    ├── StorageError              a file cannot be written: disk full, or no permission
    ├── CheckpointError           a checkpoint cannot be used
    │   ├── MissingCheckpointError     there is no checkpoint
    │   ├── ConfigurationMismatchError it was written under another configuration
    │   └── BudgetSpentError           the minutes of its run are used up
    ├── DivergedError             a loss is not a number any more
    ├── ReportError               a report cannot read a comparison
    ├── MissingRunError           a folder holds no run
    ├── TrackingError             MLflow cannot record a run
    ├── ExistingRunError          a folder holds a run already
    ├── UnknownArchitectureError  the name of a classifier's architecture is unknown
    ├── DeviceError               a device does not exist, or cannot share a batch
    ├── ExportError               the exported model differs from the trained one
    │   ├── AccuracyError              8 bits cost more accuracy than is allowed
    │   └── RiskError                  a model may let the wrong people in, and nobody accepted that
    └── ModelError                a model file cannot be measured
        ├── MissingModelError          a file, or an entry of the manifest, does not exist
        └── UnfitModelError            it cannot be read or run, or is another kind of model

Every message names the thing, and how to mend it.
"""


class TrainingError(Exception):
    """Root of all errors that training raises on purpose."""


class DataError(TrainingError):
    """Something is wrong with the pictures or their labels."""


class MissingDataError(DataError):
    """A folder or file does not exist."""


class UnknownLayoutError(DataError):
    """A folder is in none of the known layouts."""


class UnknownLabelError(DataError):
    """A class name is unknown."""


class EmptyClassError(DataError):
    """A class holds no picture."""


class SingleClassError(DataError):
    """There is only one class, and a classifier needs two."""


class DamagedIndexError(DataError):
    """An index of crops or a list of suspects cannot be read."""


class ExistingListError(DataError):
    """A list of suspects exists, and somebody may have edited it."""


class SourceError(TrainingError):
    """A camera, video or folder of pictures cannot be read."""


class ScreenError(TrainingError):
    """A window is needed and cannot be opened."""


class StorageError(TrainingError, OSError):
    """A file cannot be written: the disk is full, or permission is missing. Also an OSError."""


class CheckpointError(TrainingError):
    """A checkpoint cannot be used."""


class MissingCheckpointError(CheckpointError):
    """There is no checkpoint."""


class ConfigurationMismatchError(CheckpointError):
    """A checkpoint was written under another configuration."""


class BudgetSpentError(CheckpointError):
    """The minutes of a run are used up."""


class DivergedError(TrainingError):
    """A loss is not a number any more."""


class ReportError(TrainingError):
    """A report cannot read a comparison."""


class MissingRunError(TrainingError):
    """A folder holds no run."""


class TrackingError(TrainingError):
    """MLflow cannot record a run: the library is missing, or the server refuses."""


class ExistingRunError(TrainingError):
    """A folder holds a run already, which would be overwritten."""


class UnknownArchitectureError(TrainingError):
    """The name of a classifier's architecture is unknown."""


class DeviceError(TrainingError):
    """A device does not exist, or the processes cannot share a batch."""


class ExportError(TrainingError):
    """The exported model differs from the trained one."""


class ModelError(TrainingError):
    """A model file cannot be measured."""


class MissingModelError(ModelError):
    """A file, or an entry of the manifest, does not exist."""


class UnfitModelError(ModelError):
    """A model cannot be read or run, or is another kind of model."""


class AccuracyError(ExportError):
    """A model in 8 bits is worse than in 16 bits by more than is allowed."""


class RiskError(ExportError):
    """A model may let people in who should stay outside, and nobody has accepted that."""
