"""What each kind of model learns, a file each."""

from training.loop.tasks.classifier import train_classifier
from training.loop.tasks.detector import train_detector
from training.loop.tasks.gender import train_gender
from training.measuring.classification_report import macro_f1
from training.networks.detector import RUNNING_SIZE
from training.networks.logits import logits_of
from training.samples.mask_crops import real

__all__ = [
    "RUNNING_SIZE",
    "logits_of",
    "macro_f1",
    "real",
    "train_classifier",
    "train_detector",
    "train_gender",
]
