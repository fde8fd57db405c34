"""How the untrained models of the tests are described in their files."""

from training.graphs.model_files import Exported
from training.records.record import LABELS

FACES = Exported(
    "face-detector",
    "detector",
    "9",
    96,
    ("face",),
    {"confidence": 0.4, "certain": 0.6, "iou": 0.45, "blend_iou": 1.0, "blend_score": 0.05},
    [{"set": "s", "licence": "l", "images": 3}],
    {"face_ap_50": 0.5},
)
THRESHOLDS = {"confidence": 0.6, "min_face_size": 24.0}
MASKS = Exported("mask-classifier", "classifier", "9", 48, LABELS, THRESHOLDS, [], {})
