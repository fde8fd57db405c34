"""What the model card says about the models that come with Maskgate, and about no others.

A note belongs to the weights that it describes, by their SHA-256. The card of other weights has
none of these sentences. Whoever exports a new release writes its hash, and what is new, here.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """What is known about one released model beyond its figures.

    Attributes:
        weights: SHA-256 of its `.bin` file with FP16 weights, in hexadecimal digits.
        limits: What it is not good for, and how it was trained; a sentence or more each.
    """

    weights: str
    limits: tuple[str, ...]


_DETECTOR = Note(
    "3917c60a83b95b9399bec9332a6801e203b9b84682a5e2fc53de0839c3cccd46",
    (
        "The detector finds profiles beyond about 60° less often. It misses heads that are turned "
        "away or thrown back, faces in a crowd, and faces of which it boxes another part than "
        "people did. The things that it takes for faces are mostly hands, then blurred round "
        "things. A verdict needs a higher score than a vote does, and most of these never reach "
        "that score.",
        "The detector was trained on two CPU cores, for few hours in all. It is the average of "
        "three checkpoints; its samples are those of the one that was trained longest.",
    ),
)

_CLASSIFIER = Note(
    "61a46dd6a89e3c819524d4b4c77808fcf149b4c980eb4ae1fb87cc11387313b8",
    (
        "The classifier takes three things for rightly worn masks: masks just under the nose, "
        "faces looked at from above, and beards in deep shadow. It wrongly refuses blurred "
        "profiles and masks of patterned cloth. On the faces that the detector finds in validation "
        "it gives 12 wrong verdicts; in 6 of these the person wears, to the eye, what the "
        "classifier said and not what the label says.",
        "About 8 % of the labels of the person-facing sets are wrong, in validation too. This "
        "bounds every figure here.",
        "95 faces of the training split were left out, because their label is a slip: a classifier "
        "suspected them and a person looked at them (`python -m training suspects`). No face of "
        "the validation split was left out.",
        "Wrongly worn masks are the scarcest class. Most of those in training are drawn onto bare "
        "faces, as are hands, cups and phones.",
        "The classifier's samples are those of its last run. That run began from a classifier "
        "that had seen 320 thousand samples.",
    ),
)

NOTES = (_DETECTOR, _CLASSIFIER)

MAKE_YOUR_OWN = """No picture of any set is in this repository. Several sets are for research or
non-commercial use, or state no licence (see `Trained on`). If you ship models commercially, train
your own, on pictures that you may use.

## Make your own

    python -m training prepare --data DIR [--teacher yunet.onnx]
    python -m training train detector --minutes 60 [--teacher yunet.onnx]
    python -m training train classifier --minutes 25
    python -m training evaluate all
    python -m training export --int8

`DIR` is in COCO layout (json), VOC layout (xml), YOLO layout (txt, with data.yaml or classes.txt),
or holds class folders (`with_mask/ without_mask/ incorrect_mask/`). A folder whose parts have the
names of the sets below is read as those sets.

`--teacher` labels the faces of pictures without boxes. In training the teacher also looks at every
scene, so that a face that nobody labelled does not count as background.

Training can be stopped, and goes on with `--resume`. The schedule follows `--minutes`, so a run
always ends with the lowest learning rate. Each run leaves checkpoints, `curves.png`,
`confusion.png` and `figures.json` under `var/training/`.

`export` compares the exported model with the trained one before it replaces anything. `--int8`
adds the 8-bit models, if they cost at most 0.3 points of any figure. `--gender RUN` adds the gender
head (`python -m training train gender`, `evaluate gender`). `--onnx` also writes each model as
ONNX.
"""
"""The part of the card that tells the readers of this repository how to train models."""


def notes_of(weights: Iterable[str]) -> list[Note]:
    """Return the notes about the released models among some weights.

    Args:
        weights: SHA-256 of each `.bin` file.

    Returns:
        The notes, in the order of `NOTES`.
    """
    known = set(weights)
    return [note for note in NOTES if note.weights in known]
