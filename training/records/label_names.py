"""The names that labels have in other people's sets, and which class each stands for."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from training.errors import UnknownLabelError
from training.records.record import LABELS

IGNORE = "ignore"
"""What a user says of a label whose faces are to be left out."""

IGNORED = {"unlabelled_face", IGNORE, "unsure"}
"""Names of regions that are probably faces, but that nobody labelled."""

# How public face-mask sets spell the three labels.
_SYNONYMS = {
    "with_mask": "with_mask withmask mask masked face_mask mask_on correct_mask"
    " mask_weared_correct face_with_mask wearing_mask mask_correct correctly_masked cmfd",
    "without_mask": "without_mask withoutmask no_mask nomask unmasked face without"
    " face_no_mask face_without_mask not_wearing_mask mask_off non_mask",
    "incorrect_mask": "incorrect_mask incorrectmask mask_weared_incorrect mask_worn_incorrectly"
    " improper_mask incorrect wrong_mask partially_covered face_with_mask_incorrect mask_incorrect"
    " incorrectly_masked wrongly_masked imfd",
}
# Spellings that occur in file names only.
_IN_NAMES = {"incorrect_mask": "mask_chin mask_mouth_chin mask_nose_mouth"}

# Words by which the ready-made options guess what an unknown name means, in six languages.
_BARE = {"no", "non", "not", "without", "sin", "sans", "senza", "sem", "ohne", "bare", "none"}
_WRONG = {"incorrect", "incorrectly", "wrong", "bad", "mal", "falsch", "chin", "nose", "half"}
_MASK = ("mas", "másc", "masq")

_MOST_LISTED = 20
"""Most unknown names that a message lists."""
_MOST_PLACES = 3
"""Most files that a message names for one label."""


def normalised(name: str) -> str:
    """Return a label's name in small letters, with `_` for spaces and hyphens."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def guess(name: str) -> str:
    """Guess what an unknown name means: one of LABELS, or IGNORE."""
    key = normalised(name)
    words = set(key.split("_"))
    if words & _WRONG:
        return "incorrect_mask"
    if words & _BARE:
        return "without_mask"
    return "with_mask" if any(part in key for part in _MASK) else IGNORE


class LabelNames:
    """Finds the class that a name stands for, and remembers the names that nobody knows.

    Args:
        own: What the user's own names stand for: one of LABELS, or IGNORE.
    """

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        self._known: dict[str, str | None] = {
            spelling: label for label, names in _SYNONYMS.items() for spelling in names.split()
        }
        self._known |= dict.fromkeys(IGNORED)
        self._known |= {
            normalised(name): None if label == IGNORE else label
            for name, label in (own or {}).items()
        }
        self._unknown: dict[str, Counter[str]] = defaultdict(Counter)

    def knows(self, name: str) -> bool:
        """Return whether a name stands for a class, or for regions to ignore."""
        return normalised(name) in self._known

    def label(self, name: str, where: Path, faces: int = 1) -> str | None:
        """Return the class that a name stands for.

        Args:
            name: The name; case, spaces and hyphens do not matter.
            where: The file or folder that holds the name, for the message.
            faces: Number of faces that have the name there.

        Returns:
            One of LABELS. None for a region to ignore, and for a name that nobody knows.
        """
        if not self.knows(name):
            self._unknown[name.strip()][str(where)] += faces
        return self._known.get(normalised(name))

    def unknown(self) -> list[str]:
        """Return a line for each unknown name: the name, its number of faces, and where it is."""
        lines = []
        for name, places in sorted(self._unknown.items()):
            named = ", ".join(list(places)[:_MOST_PLACES])
            more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
            faces = "1 face" if places.total() == 1 else f"{places.total()} faces"
            lines.append(f"label {name!r} is unknown: {faces} in {named}{more}")
        return lines

    def check(self) -> None:
        """Raise one error that names all unknown labels, if there is one.

        Raises:
            UnknownLabelError: A name is unknown. The message has the options to paste.
        """
        lines = self.unknown()
        if lines:
            names = sorted(self._unknown)[:_MOST_LISTED]
            options = " ".join(f'--label "{name}={guess(name)}"' for name in names)
            more = [f"and {len(lines) - _MOST_LISTED} more"] if len(lines) > _MOST_LISTED else []
            raise UnknownLabelError(
                "\n".join(lines[:_MOST_LISTED] + more)
                + f"\nrename them to one of {', '.join(LABELS)}, or say what each of them means "
                f"(the right sides are guesses; {IGNORE} leaves such faces out):\n"
                f"python -m training prepare {options} …"
            )


def label_from_file_name(name: str) -> str | None:
    """Return the label that a file name carries, such as `0012-with-mask.jpg`.

    The longest spelling in the name decides. Names as in MaskedFace-Net (Cabani et al., 2021),
    such as `00012_Mask_Chin.jpg`, are known too.

    Args:
        name: The file name.

    Returns:
        One of LABELS, or None if the name carries no label, or two of equal length.
    """
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    found: dict[int, set[str]] = {}
    for label, names in _SYNONYMS.items():
        # In a name of many words, `face` and `without` say nothing about a mask.
        for spelling in {*names.split(), *_IN_NAMES.get(label, "").split()} - {"face", "without"}:
            parts = spelling.split("_")
            if any(words[i : i + len(parts)] == parts for i in range(len(words))):
                found.setdefault(len(parts), set()).add(label)
    longest = found[max(found)] if found else set()
    return longest.pop() if len(longest) == 1 else None
