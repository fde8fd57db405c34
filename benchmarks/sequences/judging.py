"""Judging: the edge's models on a clip's frames, once; and the verdicts of its tracker on these.

Models take long and trackers do not. What the models said of each frame can be kept in a file, so
that another tracker, or another rule of the vote, is tried on the same frames in seconds.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.sequences.clips import FPS, Clip, Face
from cloud.contract import Label
from edge.errors import SourceError
from edge.loaded_models import LoadedModels
from edge.sighting import SightingTracker, VotingRules
from edge.values import Box, Judgement, Verdict
from edge.values import Face as FoundFace

_START = datetime(2026, 1, 1, tzinfo=UTC)

MAX_FACES = 4
"""Faces that are judged in one frame: the default of EDGE_MAX_FACES."""


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """One frame.

    Attributes:
        judgements: What the models said of each face that is large enough.
        faces: The truth.
    """

    judgements: list[Judgement]
    faces: list[Face]


@dataclass(frozen=True, slots=True)
class JudgedClip:
    """A clip as the models saw it.

    Attributes:
        kind: Of the clip.
        variant: Of the clip.
        real: Of each subject, whether it is a person.
        counts: Of each subject, whether a verdict is to be given.
        certain_threshold: Of the detector.
        frames: FPS a second.
    """

    kind: str
    variant: str
    real: list[bool]
    counts: list[bool]
    certain_threshold: float
    frames: list[JudgedFrame]


def judge(clip: Clip, models: LoadedModels) -> JudgedClip:
    """Draw a clip, and let the edge's models judge each face of each frame.

    Returns:
        What they said, beside the truth.

    Raises:
        EdgeError: A model failed.
    """
    frames = []
    for image, faces in clip.frames():
        found = [f for f in models.detector.detect(image) if models.classifier.can_judge(f)]
        frames.append(JudgedFrame(models.classifier.judge(image, found), faces))
    return JudgedClip(
        clip.kind,
        clip.variant,
        [s.real for s in clip.subjects],
        [s.counts for s in clip.subjects],
        models.detector.certain_threshold,
        frames,
    )


def verdicts(clip: JudgedClip, rate: int) -> list[tuple[int, Verdict]]:
    """Follow and count votes as `python -m edge run` does.

    Args:
        clip: The judged frames.
        rate: Frames a second that the tracker gets, one of `clips.RATES`.

    Returns:
        (place of the frame in the clip, verdict), in the order of time.
    """
    sightings = SightingTracker(VotingRules(certain_threshold=clip.certain_threshold))
    settled = []
    for n in range(0, len(clip.frames), FPS // rate):
        nearest = sorted(clip.frames[n].judgements, key=lambda j: -j.face.box.area)[:MAX_FACES]
        at = _START + timedelta(seconds=n / FPS)
        settled += [(n, verdict) for verdict in sightings.update(nearest, at)]
    return settled


def keep(clips: Iterable[JudgedClip], file: Path) -> None:
    """Write judged clips as JSON lines.

    Raises:
        SourceError: The file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8") as out:
            for clip in clips:
                out.write(json.dumps(_as_json(clip), separators=(",", ":")) + "\n")
    except OSError as error:
        raise SourceError(f"{file} cannot be written ({error}); choose another --keep") from error


def kept(file: Path) -> Iterator[JudgedClip]:
    """Read what `keep` wrote.

    Yields:
        Each clip.

    Raises:
        SourceError: The file cannot be read, or is of another program.
    """
    try:
        for line in file.read_text(encoding="utf-8").splitlines():
            yield _from_json(json.loads(line))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file} is no file of judged clips; write one with --keep") from error


def _as_json(clip: JudgedClip) -> dict[str, object]:
    return {
        "kind": clip.kind,
        "variant": clip.variant,
        "real": clip.real,
        "counts": clip.counts,
        "certain_threshold": clip.certain_threshold,
        "frames": [
            {
                "judged": [
                    [
                        [round(side, 2) for side in _sides(j.face.box)],
                        round(j.face.score, 4),
                        j.label,
                        [round(j.probabilities[label], 4) for label in Label],
                    ]
                    for j in frame.judgements
                ],
                "truth": [
                    [face.subject, [round(side, 2) for side in _sides(face.box)], face.label]
                    for face in frame.faces
                ],
            }
            for frame in clip.frames
        ],
    }


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def _from_json(told: dict[str, object]) -> JudgedClip:
    content: dict[str, object] = dict(told)
    frames = [
        JudgedFrame(
            [
                Judgement(
                    FoundFace(Box(*sides), score),
                    Label(label),
                    dict(zip(Label, probabilities, strict=True)),
                )
                for sides, score, label, probabilities in frame["judged"]
            ],
            [
                Face(subject, Box(*sides), None if label is None else Label(label))
                for subject, sides, label in frame["truth"]
            ],
        )
        for frame in content.pop("frames")  # type: ignore[attr-defined]
    ]
    return JudgedClip(**content, frames=frames)  # type: ignore[arg-type]
