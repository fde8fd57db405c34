"""The things that are trained, a file each."""

from training.tasks.classifier import logits_of, macro_f1, real, train_classifier
from training.tasks.detector import RUNNING_SIZE, train_detector
from training.tasks.gender import train_gender

__all__ = [
    "RUNNING_SIZE",
    "logits_of",
    "macro_f1",
    "real",
    "train_classifier",
    "train_detector",
    "train_gender",
]
