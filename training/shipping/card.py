"""The model card, docs/models.md, written from the manifest: no figure in it is typed by hand."""

import json
from pathlib import Path
from typing import Any

from training.errors import MissingDataError

_HEAD = """# The models, and how to make them

Written by `python -m training export` from `edge/models/manifest.json`; the figures are those
that `python -m training evaluate` measured on the validation split (15 % of the sources of each
set, chosen by a hash of the source's name; near-duplicates stay together). Thresholds and the
temperature were chosen on the same split, so expect somewhat less on pictures from elsewhere.

The files are OpenVINO IR with FP16 weights, and where it says so below a second time in 8 bits,
for x86 processors that multiply those themselves; the edge chooses at its start. They take u8 BGR
pictures of any size; resizing, letterboxing, normalising and decoding are in the graph. The
classifier's graph judges a crop and its mirror image, and averages. What a file says about itself
is laid down in
[decision 1](decisions/0001-model-contract.md).
"""

_USE = """## What they are for, and what not

A camera at a door, one or a few people at a time, faces of 32 pixels or more. They say whether
a mask covers nose and mouth. They do not say who somebody is, nor whether the mask is any good.
They judge single pictures; the edge decides over many of them.

- Faces under 24 pixels are not judged. Profiles beyond about 60° are found less often.
- About 8 % of the labels of the person-facing sets are wrong, in validation too: that bounds
  every figure here.
- Of the faces in training, 95 were left out whose label is a slip, as a classifier suspected and a
  person saw (`python -m training suspects`). None was left out of validation.
- Wrongly worn masks are the scarcest class: most of those in training are drawn onto bare
  faces, as are hands, cups and phones.
- Several sets are for research or non-commercial use, or state no licence (below). Who ships
  these models commercially should train their own, on pictures that they may use: the five
  commands are next.
- The detector was trained on two CPU cores, with few hours in all. What it misses are heads turned
  away or thrown back, faces in a crowd, and faces of which it boxes another part than people did;
  what it takes for faces are mostly hands, then blurred round things. A verdict waits for a higher
  score than a vote does, and most of these never reach it.
- What the classifier takes for rightly worn and is not are masks just under the nose, faces looked
  at from above, and beards in deep shadow; what it refuses and should not are blurred profiles and
  patterned cloth. Of the 12 found faces of validation that it judges wrongly, 6 wear, to the eye,
  what it said and not what their label says.

## Make your own

    python -m training prepare --data DIR [--teacher yunet.onnx]
    python -m training train detector --minutes 60 [--teacher yunet.onnx]
    python -m training train classifier --minutes 25
    python -m training evaluate all
    python -m training export --int8

`DIR` holds COCO json, VOC xml, YOLO txt (with data.yaml or classes.txt) or class folders
(`with_mask/ without_mask/ incorrect_mask/`). A folder whose parts carry the names of the sets
below is read as those sets. `--teacher` labels the faces of pictures without boxes, and in
training it is asked about every scene, so that a face that nobody labelled is no background.
Training stops and goes on with `--resume`; the schedule is shaped to `--minutes`, so that a run
always ends annealed. Each run leaves checkpoints, `curves.png`, `confusion.png` and
`figures.json` under `var/training/`. `export` compares the exported model with the trained one
before it replaces anything. `--int8` adds the 8-bit models, if they cost at most 0.3 points of
any figure, and `--gender RUN` the gender head (`python -m training train gender`, `evaluate
gender`).
"""

_GENDER = """The head is optional and runs only where `EDGE_ATTRIBUTES=gender` is set. It says how
the authors of its training set would have read a face, as one of two words; it does not say what a
person is, and it is wrong more often for some groups than for others (the tables). It is for
counts over many people: no event, log or picture ever carries what it said of one. It is not for
deciding about anybody, and the door does not ask it.
"""


BEGIN, END = "<!-- measured: written by `python -m training report` -->", "<!-- measured ends -->"
"""What the measured part of a card stands between."""


def _measured(card: Path) -> str:
    """The measured part of a card, with its marks; nothing where there is none."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if BEGIN not in text or END not in text:
        return ""
    return text[text.index(BEGIN) : text.index(END) + len(END)] + "\n"


def write_measured(card: Path, content: str) -> None:
    """Put `content` (Markdown) into the measured part of a card, and make one where there is none.
    Raises MissingDataError.
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


def _table(rows: dict[str, Any]) -> str:
    lines = ["| figure | value |", "|---|---|"]
    for key, value in rows.items():
        if not isinstance(value, (dict, list)):
            lines.append(f"| {key.replace('_', ' ')} | {value} |")
    return "\n".join(lines) + "\n"


def _parts(title: str, parts: dict[str, dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(k for part in parts.values() for k in part))
    lines = [
        f"| {title} | " + " | ".join(c.replace("_", " ") for c in columns) + " |",
        "|" + "---|" * (len(columns) + 1),
    ]
    lines += [
        f"| {name} | " + " | ".join(str(part.get(c, "–")) for c in columns) + " |"
        for name, part in parts.items()
    ]
    return "\n".join(lines) + "\n"


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


def write_card(manifest: Path, card: Path) -> None:
    """Write the card for the models of a manifest. Raises MissingDataError."""
    if not manifest.is_file():
        raise MissingDataError(f"{manifest} is not there; run `python -m training export` first")
    models = json.loads(manifest.read_text(encoding="utf-8"))["models"]
    parts = [_HEAD]
    sets: dict[str, dict[str, Any]] = {}
    for model in [m for m in models if m["precision"] != "INT8"]:
        figures = model["figures"]
        parts.append(
            f"## {model['name']} {model['version']}\n\n"
            f"Input {model['input'][0]}x{model['input'][1]}, {model['precision']} weights, "
            f"labels {', '.join(model['labels'])}.\n"
        )
        if model["role"] == "gender":
            parts.append(_GENDER)
        parts.append(_table(figures))
        for key, title in (
            ("classes", "class"),
            ("by_set", "set"),
            ("by_size", "shorter side"),
            ("by_sharpness", "sharpness"),
            ("by_gender", "read as"),
            ("by_race", "group"),
            ("by_age", "age"),
        ):
            if key in figures:
                parts.append(_parts(title, figures[key]))
        if "pipeline" in figures:
            parts.append(
                "Both models together, on whole pictures (a face not found counts as wrong):\n"
            )
            parts.append(_table(figures["pipeline"]))
        for row in model["trained_on"]:
            sets[row["set"]] = row
    eight = [m for m in models if m["precision"] == "INT8"]
    if eight:
        parts.append(_in_8_bits(eight[0]["figures"]))
    parts.append(_USE)
    rows = [f"| {r['set']} | {r['images']} | {r['licence']} |" for r in sets.values()]
    parts.append(
        "## Trained on\n\n| set | pictures in training | origin and licence |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )
    parts.append(
        "`drawn` in the tables above are validation faces onto which masks, hands, cups and\n"
        "phones were drawn; they are not part of the headline figures, which are of the sets\n"
        "`detection` and `crops`. No picture of any set is in this repository.\n"
    )
    if kept := _measured(card):
        parts.append(kept)
    _write(card, "\n".join(parts))
