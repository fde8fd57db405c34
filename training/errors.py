"""Errors of the workshop.

    TrainingError
    ├── DataError                 something about the pictures or their labels
    │   ├── MissingDataError           a folder or file that is needed is not there
    │   ├── UnknownLayoutError         a folder that is none of the layouts we read
    │   ├── UnknownLabelError          a class name that means neither mask nor face to us
    │   ├── EmptyClassError            a class without a single picture
    │   ├── SingleClassError           a classifier cannot be trained on one class
    │   ├── DamagedIndexError          an index of collected crops that is none of ours
    │   └── ExistingListError          a list of suspects is there, and somebody may have edited it
    ├── SourceError               a camera, video or folder of pictures that cannot be read
    ├── ScreenError               a window is needed, and none can be opened
    ├── StorageError              a file cannot be written: the disk is full, the folder not ours
    ├── CheckpointError           a checkpoint that cannot be used
    │   ├── MissingCheckpointError     none is there
    │   ├── ConfigurationMismatchError it was written under another configuration
    │   └── BudgetSpentError      it has used up the minutes that it is to go on for
    ├── DivergedError             a loss that is no number any more
    ├── ReportError               a comparison that a report cannot read
    ├── MissingRunError           a folder that holds no run
    ├── UnknownArchitectureError  a classifier that we do not know how to build
    ├── DeviceError               a device that is not there, or a batch that cannot be shared
    ├── ExportError               the exported model does not say what the trained one says
    │   └── AccuracyError              8 bits cost more accuracy than is allowed
    └── ModelError                a model file that cannot be measured
        ├── MissingModelError          a file, or a manifest's entry, is not there
        └── UnfitModelError            it cannot be read or run, or is another kind of model

Every message names the thing and what mends it.
"""


class TrainingError(Exception):
    """Root of everything the workshop raises on purpose."""


class DataError(TrainingError):
    """Something about the pictures or their labels."""


class MissingDataError(DataError):
    """A folder or file that is needed is not there."""


class UnknownLayoutError(DataError):
    """A folder that is none of the layouts we read."""


class UnknownLabelError(DataError):
    """A class name that means neither mask nor face to us."""


class EmptyClassError(DataError):
    """A class without a single picture."""


class SingleClassError(DataError):
    """A classifier cannot be trained on one class."""


class DamagedIndexError(DataError):
    """An index of collected crops that is none of ours."""


class ExistingListError(DataError):
    """A list of suspects is there, and somebody may have edited it."""


class SourceError(TrainingError):
    """A camera, video or folder of pictures that cannot be read."""


class ScreenError(TrainingError):
    """A window is needed, and none can be opened."""


class StorageError(TrainingError, OSError):
    """A file cannot be written: the disk is full, the folder not ours. Also an OSError."""


class CheckpointError(TrainingError):
    """A checkpoint that cannot be used."""


class MissingCheckpointError(CheckpointError):
    """None is there."""


class ConfigurationMismatchError(CheckpointError):
    """It was written under another configuration."""


class BudgetSpentError(CheckpointError):
    """It has used up the minutes that it is to go on for."""


class DivergedError(TrainingError):
    """A loss that is no number any more."""


class ReportError(TrainingError):
    """A comparison that a report cannot read."""


class MissingRunError(TrainingError):
    """A folder that holds no run."""


class UnknownArchitectureError(TrainingError):
    """A classifier that we do not know how to build."""


class DeviceError(TrainingError):
    """A device that is not there, or a batch that cannot be shared by the processes."""


class ExportError(TrainingError):
    """The exported model does not say what the trained one says."""


class ModelError(TrainingError):
    """A model file that cannot be measured."""


class MissingModelError(ModelError):
    """A file, or a manifest's entry, is not there."""


class UnfitModelError(ModelError):
    """It cannot be read or run, or is another kind of model."""


class AccuracyError(ExportError):
    """A model in 8 bits is worse than the same in 16 by more than is allowed."""
