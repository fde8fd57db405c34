"""The model card, docs/models.md, written from the manifest: no figure in it is typed by hand.

A card says only what the files of its own run say. Sentences about the models that come with
Maskgate are in `release_notes.py`, and are written for those models alone.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from training.errors import MissingDataError
from training.figures.tables import is_rate
from training.measuring.average_precision import COUNTED
from training.measuring.shipped_comparison import unknowns
from training.shipping.release_notes import MAKE_YOUR_OWN, NOTES, notes_of

_CONTRACT = Path("decisions/0001-model-contract.md")

_FIGURES = (
    "Written by `python -m training export` from `{manifest}`. The figures are those that "
    "`evaluate` measured. {measured} Pictures of one source, and near-duplicates, are in one split."
)

SPLITS = {"images": "train", "validation": "validation", "test": "test"}
"""Keys of a row of `trained_on` that count pictures, and the splits that they count."""

_SAME_PICTURES = (
    "{names}: on the validation split{share}. The thresholds and the temperature were chosen on "
    "the same pictures, so expect somewhat lower figures on others."
)

_TEST_SPLIT = (
    "{names}: on the test split{share}. The thresholds and the temperature were chosen on the "
    "validation split."
)

_FILES = (
    "The files are OpenVINO IR with FP16 weights.{int8} They take u8 BGR pictures of any size: "
    "resizing, letterboxing, normalising and decoding are in the graph. The classifier's graph "
    "judges a crop and its mirror image, and averages both. {contract} lays down what a file says "
    "about itself."
)

_INT8 = (
    " A second copy has 8-bit weights, for x86 processors with 8-bit instructions; the edge "
    "chooses between the copies when it starts."
)

_PURPOSE = (
    "The models are for a camera at a door, one or a few people at a time, and faces of "
    "{counted:.0f} pixels or more. They say whether a mask covers nose and mouth. They do not say "
    "who somebody is, nor whether the mask is any good. They judge single pictures; the edge "
    "decides over many of them."
)

_GENDER = """The head is optional and runs only where `EDGE_ATTRIBUTES=gender` is set. It says how
the authors of its training set would have read a face, as one of two words. It does not say what a
person is. The tables show for which groups it is wrong more often. It is for counts over many
people: no event, log or picture ever carries what the head said of one person. It is not for
deciding about anybody, and the door does not ask it.
"""


BEGIN, END = "<!-- measured: written by `python -m training report` -->", "<!-- measured ends -->"
"""The marks around the measured part of a card."""

_WEIGHTS = re.compile(r"^<!-- weights: ([0-9a-f ]*) -->$", re.MULTILINE)


def _measured(card: Path) -> str:
    """The measured part of a card, with its marks; an empty text where there is none."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if BEGIN not in text or END not in text:
        return ""
    return text[text.index(BEGIN) : text.index(END) + len(END)] + "\n"


def write_measured(card: Path, content: str) -> None:
    """Replace the measured part of a card, or add one.

    Args:
        card: The card's file.
        content: The new measured part, in Markdown.

    Raises:
        MissingDataError: The card is not there.
    """
    if not card.is_file():
        raise MissingDataError(f"{card} is not there; run `python -m training export` first")
    text, old = card.read_text(encoding="utf-8"), _measured(card)
    new = f"{BEGIN}\n## Measured\n\n{content.strip()}\n{END}\n"
    _write(card, text.replace(old, new) if old else f"{text.rstrip()}\n\n{new}")


def _write(card: Path, text: str) -> None:
    temporary = card.with_suffix(".partial")
    card.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(card)


def _cell(value: object) -> str:
    """A figure, with its interval and its number of faces where it has them."""
    if not isinstance(value, Mapping):
        return str(value)
    if value.get("low") is None:
        return "–" if value.get("value") is None else str(value["value"])
    faces = f", {value['of']} faces" if "of" in value else ""
    return f"{value['value']} ({value['low']} to {value['high']}{faces})"


def _table(rows: dict[str, Any]) -> str:
    lines = ["| figure | value |", "|---|---|"]
    for key, value in rows.items():
        if is_rate(value) or (value is not None and not isinstance(value, (dict, list))):
            lines.append(f"| {key.replace('_', ' ')} | {_cell(value)} |")
    return "\n".join(lines) + "\n"


def _parts(title: str, parts: dict[str, dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(k for part in parts.values() for k in part))
    lines = [
        f"| {title} | " + " | ".join(c.replace("_", " ") for c in columns) + " |",
        "|" + "---|" * (len(columns) + 1),
    ]
    lines += [
        f"| {name} | " + " | ".join(_cell(part.get(c, "–")) for c in columns) + " |"
        for name, part in parts.items()
    ]
    return "\n".join(lines) + "\n"


def _share(model: dict[str, Any], split: str) -> str:
    """Say how many of the pictures of a model's sets are in a split, if the manifest knows it."""
    rows = [row for row in model["trained_on"] if split in row]
    held = sum(int(row[split]) for row in rows)
    whole = sum(int(row[name]) for row in rows for name in SPLITS if name in row)
    return f" ({held} of {whole} pictures, {held / whole:.1%})" if whole else ""


def _where_measured(models: list[dict[str, Any]]) -> str:
    """Say of all models on which split they were measured."""
    said: dict[tuple[str, str], list[str]] = {}
    for model in models:
        locked = model["figures"].get("measured_on") == "test split"
        share = _share(model, "test" if locked else "validation")
        said.setdefault((_TEST_SPLIT if locked else _SAME_PICTURES, share), []).append(
            model["name"]
        )
    return " ".join(
        text.format(names=", ".join(names), share=share) for (text, share), names in said.items()
    )


def _in_8_bits(figures: dict[str, Any]) -> str:
    """Both precisions side by side, on the same pictures in one process."""
    lines = ["## In 8 bits, beside FP16\n", "| | FP16 | INT8 | drop, points |", "|---|---|---|---|"]
    for name, drop in figures["drop_from_fp16"].items():
        now = figures[name]
        lines.append(
            f"| {name.replace('_', ' ')} | {now + drop:.4f} | {now:.4f} | {drop * 100:+.2f} |"
        )
    said = [f"{role}: {way}" for role, way in figures["ways"].items()]
    lines += ["", f"Quantised by: {'; '.join(said)}.", ""]
    lines += ["| a frame of 640×480 to its labels | median ms | least ms |", "|---|---|---|"]
    lines += [
        f"| {name} | {pace['median_ms']} | {pace['least_ms']} |"
        for name, pace in figures["milliseconds"].items()
    ]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, bullet: str = "") -> str:
    """A paragraph, or an item of a list, in lines of at most 100 characters."""
    indent = " " * len(bullet)
    lines = wrap(
        bullet + text, 100, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return "\n".join(lines) + "\n"


def _weights(models: list[dict[str, Any]]) -> list[str]:
    """The SHA-256 of each model's weights, those in 8 bits left out."""
    return [
        digest
        for model in models
        if model["precision"] != "INT8"
        for name, digest in model["files"].items()
        if name.endswith(".bin")
    ]


def _still_measured(card: Path, weights: list[str]) -> str:
    """Return the measured part of a card, if all the models that the card describes are there.

    Figures of models that were replaced would pass for those of the new ones.

    Args:
        card: The card's file.
        weights: SHA-256 of the weights of each model that is there.

    Returns:
        The measured part with its marks, or an empty text.
    """
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    described = _WEIGHTS.search(text)
    if described is None or not set(described[1].split()) <= set(weights):
        return ""
    return _measured(card)


def _purpose(models: list[dict[str, Any]], weights: list[str]) -> str:
    smallest = [m["thresholds"]["min_face_size"] for m in models if m["role"] == "classifier"]
    limits = [f"The classifier does not judge faces under {s:.0f} pixels." for s in smallest[:1]]
    notes = notes_of(weights)
    limits += [limit for note in notes for limit in note.limits]
    parts = ["## What they are for, and what not\n", _wrapped(_PURPOSE.format(counted=COUNTED))]
    parts.append("".join(_wrapped(limit, "- ") for limit in limits))
    # The chapter is about this repository: it belongs to the release, not to a user's own models.
    return "\n".join([*parts, MAKE_YOUR_OWN] if len(notes) == len(NOTES) else parts)


_FEW_FACES = 100
"""Measured faces of a label under which the card says that they are few."""

_ELSEWHERE = (
    "The figures are of faces from the sources of the training pictures. Faces from other cameras, "
    "places and people give other figures, mostly lower ones. How good the models are there is "
    "known only where this card says that it was measured."
)

_GROUPS_OF_PEOPLE = (
    "How the classifier judges women and men, ages and skin colours apart is not in these figures; "
    "`python -m training evaluate fairness` measures it."
)


def _not_known(models: list[dict[str, Any]]) -> str:
    """The section that says what nobody knows about the models, and what was accepted."""
    lines: list[str] = []
    for model in models:
        if model["role"] != "classifier":
            continue
        figures = model["figures"]
        counts = figures.get("faces_by_label")
        stated = unknowns(counts) if counts else []
        lines += stated
        accepted = [risk for risk in model.get("accepted_risks", ()) if risk not in stated]
        lines += [f"Accepted when the model was exported: {risk}" for risk in accepted]
        if model.get("accepted_risks"):
            lines.append("The model was exported with `--accept-risk`.")
        faces = {label: row.get("faces", 0) for label, row in figures.get("classes", {}).items()}
        lines += [
            f"Only {n} measured {'face is' if n == 1 else 'faces are'} labelled {label}: the "
            "figures of this label are rough."
            for label, n in faces.items()
            if 0 < n < _FEW_FACES
        ]
        lines.append(_GROUPS_OF_PEOPLE)
    lines.append(_ELSEWHERE)
    return "## What is not known\n\n" + "".join(_wrapped(line, "- ") for line in lines)


def _drawn(by_set: Mapping[str, Any]) -> str:
    """Explain the row `drawn` of a table of sets."""
    judged = [f"`{name}`" for name in ("detection", "crops") if name in by_set]
    of = f", which are of {' and '.join(judged)}" if judged else ""
    return _wrapped(
        "The set `drawn` holds validation faces onto which masks, hands, cups and phones were "
        f"drawn. They are in none of the headline figures{of}."
    )


_GROUPS = {
    "classes": "class",
    "by_set": "set",
    "by_size": "shorter side",
    "by_sharpness": "sharpness",
    "by_gender": "read as",
    "by_race": "group",
    "by_age": "age",
}
"""The groups of figures that become tables, and the heading of each table's first column."""


def _model(model: dict[str, Any]) -> list[str]:
    """The section about one model."""
    figures = model["figures"]
    parts = [
        f"## {model['name']} {model['version']}\n\n"
        f"Input {model['input'][0]}x{model['input'][1]}, {model['precision']} weights, "
        f"labels {', '.join(model['labels'])}.\n"
    ]
    if model["role"] == "gender":
        parts.append(_GENDER)
    parts.append(_table(figures))
    parts += [_parts(title, figures[key]) for key, title in _GROUPS.items() if key in figures]
    if "drawn" in figures.get("by_set", {}):
        parts.append(_drawn(figures["by_set"]))
    if "pipeline" in figures:
        parts.append(
            "Both models together, on whole pictures (a face that is not found counts as wrong):\n"
        )
        parts.append(_table(figures["pipeline"]))
    return parts


def _trained_on(models: list[dict[str, Any]]) -> str:
    """The table of sets; with a column of models, if detector and classifier learnt from others."""
    learners: dict[tuple[str, int, str], list[str]] = {}
    for model in models:
        for row in model["trained_on"]:
            key = (row["set"], row["images"], row["licence"])
            learners.setdefault(key, []).append(model["name"])
    named = {m["name"] for m in models if m["role"] in ("detector", "classifier")}
    together = all(named <= set(who) for who in learners.values())
    heads = ["set", "pictures in training", "origin and licence"] + ["model"] * (not together)
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for (name, images, licence), who in learners.items():
        cells = [name, str(images), licence] + [", ".join(who)] * (not together)
        lines.append("| " + " | ".join(cells) + " |")
    return "## Trained on\n\n" + "\n".join(lines) + "\n"


def write_card(manifest: Path, card: Path) -> bool:
    """Write the card for the models of a manifest.

    The measured part that `report --card` wrote stays, unless a model that it is about was
    replaced.

    Args:
        manifest: The `manifest.json` of the exported models.
        card: The card's file, in Markdown; an earlier one is replaced.

    Returns:
        Whether a measured part was left out, because it was about other models.

    Raises:
        MissingDataError: The manifest is not there.
    """
    if not manifest.is_file():
        raise MissingDataError(f"{manifest} is not there; run `python -m training export` first")
    models = json.loads(manifest.read_text(encoding="utf-8"))["models"]
    eight = [m for m in models if m["precision"] == "INT8"]
    full = [m for m in models if m["precision"] != "INT8"]
    weights = _weights(models)
    linked = (card.parent / _CONTRACT).is_file()
    contract = f"[Decision 1]({_CONTRACT})" if linked else f"Maskgate's docs/{_CONTRACT}"
    parts = [
        f"# The models\n\n<!-- weights: {' '.join(weights)} -->\n",
        _wrapped(_FIGURES.format(manifest=manifest, measured=_where_measured(full))),
        _wrapped(_FILES.format(int8=_INT8 if eight else "", contract=contract)),
    ]
    for model in full:
        parts += _model(model)
    if eight:
        parts.append(_in_8_bits(eight[0]["figures"]))
    parts.append(_not_known(full))
    parts.append(_purpose(models, weights))
    parts.append(_trained_on(full))
    before, kept = _measured(card), _still_measured(card, weights)
    if kept:
        parts.append(kept)
    _write(card, "\n".join(parts))
    return bool(before) and not kept
