"""Given labels against true ones: accuracy, precision, recall, F1 and confusion, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from training.measuring.intervals import LEVEL, Rate, Spread, rounded
from training.records.record import LABELS

_RESAMPLES = 1000

Matrix = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Classification:
    """A confusion matrix [truth, said], in the order of LABELS, and its figures."""

    matrix: Matrix

    @classmethod
    def of(cls, truth: Sequence[int], said: Sequence[int]) -> "Classification":
        """Count pairs of a true and a given label.

        Args:
            truth: The true labels, as places in LABELS.
            said: The given labels.

        Returns:
            The confusion matrix.
        """
        matrix = np.zeros((len(LABELS), len(LABELS)), np.int64)
        np.add.at(matrix, (np.array(truth, np.int64), np.array(said, np.int64)), 1)
        return cls(matrix)

    @property
    def present(self) -> list[int]:
        """The labels that some face has."""
        return [i for i in range(len(LABELS)) if self.matrix[i].sum()]

    @property
    def accuracy(self) -> Rate:
        """The share of faces with the right label."""
        return Rate(int(self.matrix.trace()), int(self.matrix.sum()))

    def recall(self, label: int) -> Rate:
        """Return, of the faces with a label, the share that was given it."""
        return Rate(int(self.matrix[label, label]), int(self.matrix[label].sum()))

    def precision(self, label: int) -> Rate:
        """Return, of the faces that were given a label, the share that has it."""
        return Rate(int(self.matrix[label, label]), int(self.matrix[:, label].sum()))

    @property
    def macro_f1(self) -> Spread:
        """F1 averaged over the labels that some face has."""
        drawn = _f1(_resampled(self.matrix))
        return Spread.of(
            float(_f1(self.matrix)[self.present].mean()), drawn[:, self.present].mean(1)
        )

    def as_json(self) -> dict[str, object]:
        """Return accuracy, the classes' figures, macro figures and confusion."""
        drawn = _resampled(self.matrix)
        f1 = _f1(self.matrix)
        low, high = (np.quantile(_f1(drawn), q, axis=0) for q in _TAILS)
        macro = {
            name: self._mean_of_classes(values, drawn_values)
            for name, values, drawn_values in (
                ("precision", _precision(self.matrix), _precision(drawn)),
                ("recall", _recall(self.matrix), _recall(drawn)),
                ("f1", f1, _f1(drawn)),
            )
        }
        return {
            "accuracy": self.accuracy.as_json(),
            "macro": macro,
            "classes": {
                LABELS[i]: {
                    "faces": int(self.matrix[i].sum()),
                    "precision": self.precision(i).as_json(),
                    "recall": self.recall(i).as_json(),
                    "f1": {
                        "value": rounded(float(f1[i])),
                        "low": rounded(float(low[i])),
                        "high": rounded(float(high[i])),
                    },
                }
                for i in self.present
            },
            "confusion": {"labels": list(LABELS), "rows_truth": self.matrix.tolist()},
        }

    def _mean_of_classes(
        self, values: NDArray[np.float64], drawn: NDArray[np.float64]
    ) -> dict[str, float | None]:
        """Return the mean over the labels that some face has; no figure where no face has any."""
        if not self.present:
            return dict.fromkeys(("value", "low", "high"))
        mean, drawn_means = values[self.present].mean(), drawn[:, self.present].mean(1)
        return Spread.of(mean, drawn_means).as_json()


_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def _resampled(matrix: Matrix) -> Matrix:
    """Draw matrices from a matrix with replacement, face by face, with a fixed seed.

    This is the percentile bootstrap (Efron and Tibshirani, 1993): F1 is no share, so Wilson's
    interval does not apply.

    Args:
        matrix: A confusion matrix.

    Returns:
        Matrices [1000, 3, 3].
    """
    total = int(matrix.sum())
    shares = matrix.ravel() / max(1, total)
    draws = np.random.default_rng(0).multinomial(
        total, shares / max(shares.sum(), 1e-12), _RESAMPLES
    )
    return draws.reshape(-1, *matrix.shape)


def _diagonal(matrix: Matrix) -> NDArray[np.float64]:
    return np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)


def _recall(matrix: Matrix) -> NDArray[np.float64]:
    return np.asarray(_diagonal(matrix) / np.maximum(matrix.sum(-1), 1))


def _precision(matrix: Matrix) -> NDArray[np.float64]:
    return np.asarray(_diagonal(matrix) / np.maximum(matrix.sum(-2), 1))


def _f1(matrix: Matrix) -> NDArray[np.float64]:
    return np.asarray(2 * _diagonal(matrix) / np.maximum(matrix.sum(-1) + matrix.sum(-2), 1))


def macro_f1(labels: NDArray[np.int64], guesses: NDArray[np.int64]) -> float:
    """Compute F1 averaged over the labels that are present (scikit-learn).

    Args:
        labels: The true labels [N].
        guesses: The given labels [N].

    Returns:
        0…1.
    """
    return float(
        f1_score(
            labels, guesses, labels=sorted(set(labels.tolist())), average="macro", zero_division=0
        )
    )
