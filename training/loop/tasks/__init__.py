"""What each kind of model learns, a file each."""

from training.loop.tasks.classifier import train_classifier
from training.loop.tasks.detector import train_detector
from training.loop.tasks.gender import train_gender

__all__ = ["train_classifier", "train_detector", "train_gender"]
