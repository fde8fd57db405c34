"""The words for the problems that devices name: what is wrong, and how the staff mends it."""

from dataclasses import dataclass
from enum import StrEnum

from cloud.contract import DeviceProblem


class Severity(StrEnum):
    """How bad a problem is; the value is the kind of its remark, and the worst is first."""

    BAD = "bad"
    """Nobody is looked at, or verdicts may be lost."""

    WARNING = "choice"
    """The gate goes on, and somebody should look at the device."""


@dataclass(frozen=True, slots=True)
class ProblemWords:
    """The words for one problem.

    Args:
        severity: How bad it is.
        what: What is wrong, as a sentence.
        mend: What the staff does about it, in sentences.
    """

    severity: Severity
    what: str
    mend: str


_RESTARTS = "The device restarts by itself if this lasts. If it comes again, restart the computer"

WORDS = {
    DeviceProblem.CAMERA_LOST: ProblemWords(
        Severity.BAD,
        "The camera gives no picture, so nobody is looked at.",
        "Check the camera's power and its cable, and that no other program uses it.",
    ),
    DeviceProblem.PICTURE_COVERED: ProblemWords(
        Severity.BAD,
        "The camera is covered, so nobody is looked at.",
        "Look for tape, paint, a bag or a sticker before the lens.",
    ),
    DeviceProblem.PICTURE_BLACK: ProblemWords(
        Severity.BAD,
        "The picture is black, so nobody is looked at.",
        "Take the cap off the lens, and switch the light at the door on.",
    ),
    DeviceProblem.PICTURE_FROZEN: ProblemWords(
        Severity.BAD,
        "The picture is frozen, so nobody is looked at.",
        "Restart the camera.",
    ),
    DeviceProblem.PICTURE_CONSTANT: ProblemWords(
        Severity.BAD,
        "The picture has one colour only, so nobody is looked at.",
        "Restart the camera. If that does not help, choose another of its streams.",
    ),
    DeviceProblem.READ_STUCK: ProblemWords(
        Severity.BAD,
        "Reading the camera hangs, so nobody is looked at.",
        f"Unplug the camera and plug it in again. {_RESTARTS}.",
    ),
    DeviceProblem.INFERENCE_STUCK: ProblemWords(
        Severity.BAD,
        "The judging of pictures hangs, so nobody gets a verdict.",
        f"{_RESTARTS}.",
    ),
    DeviceProblem.COMPILATION_STUCK: ProblemWords(
        Severity.BAD,
        "The loading of a model hangs, so nobody gets a verdict.",
        f"{_RESTARTS}.",
    ),
    DeviceProblem.STORAGE_STUCK: ProblemWords(
        Severity.BAD,
        "Writing to the disk hangs, so nobody gets a verdict.",
        f"{_RESTARTS} and check its disk or SD card.",
    ),
    DeviceProblem.STATE_NOT_WRITABLE: ProblemWords(
        Severity.BAD,
        "The disk cannot be written: new events wait in memory, and a restart loses them.",
        "Do not switch the device off. Check its disk or SD card, and the rights of its state "
        "folder.",
    ),
    DeviceProblem.DISK_FULL: ProblemWords(
        Severity.BAD,
        "The disk is full: new events wait in memory, and a restart loses them.",
        "Do not switch the device off. Delete what is not needed on its disk.",
    ),
    DeviceProblem.OUTBOX_DAMAGED: ProblemWords(
        Severity.BAD,
        "The file of undelivered events was damaged; the device saved what it could read.",
        "Check the disk or SD card: it may fail soon.",
    ),
    DeviceProblem.UNDER_VOLTAGE: ProblemWords(
        Severity.WARNING,
        "The device gets too little voltage, and may switch itself off.",
        "Use the power supply that belongs to it, and a short cable.",
    ),
    DeviceProblem.HOT: ProblemWords(
        Severity.WARNING,
        "The device is too hot.",
        "Keep it out of the sun, clear its air vents, or give it a fan.",
    ),
    DeviceProblem.THROTTLED: ProblemWords(
        Severity.WARNING,
        "The device has slowed itself down, so verdicts come later.",
        "Cool it, and check its power supply.",
    ),
    DeviceProblem.PICTURE_BLURRED: ProblemWords(
        Severity.WARNING,
        "The picture is blurred, so verdicts are less sure.",
        "Clean the lens, and focus it.",
    ),
    DeviceProblem.STILL_PICTURE_SUSPECTED: ProblemWords(
        Severity.WARNING,
        "The camera sees a masked face that does not move; it may be a picture, and gets no pass.",
        "Ask a person who stands there to move the head a little. Take down a poster with a face.",
    ),
    DeviceProblem.MODEL_FALLBACK: ProblemWords(
        Severity.WARNING,
        "A model from the cloud cannot be used, so the model that came with the device judges.",
        "Send the model again.",
    ),
    DeviceProblem.MODEL_ROLLED_BACK: ProblemWords(
        Severity.WARNING,
        "The new model failed, and the model before judges again.",
        "Send a model that fits this device.",
    ),
    DeviceProblem.MODEL_UPDATE_FAILED: ProblemWords(
        Severity.WARNING,
        "The last update of a model failed, and the model before goes on.",
        "Mend the reason, and send the model again.",
    ),
    DeviceProblem.MODEL_DIFFERS: ProblemWords(
        Severity.WARNING,
        "The device judges with a model of its own, and takes none from the cloud.",
        "If nobody wants that, remove EDGE_DETECTOR and EDGE_CLASSIFIER from its settings.",
    ),
}
"""The words for each problem, the worst problem first."""

_ORDER = {str(problem): place for place, problem in enumerate(WORDS)}


def words_for(problem: str) -> ProblemWords:
    """Return the words for a problem; one that only a newer device knows is named as it is."""
    if problem in _ORDER:
        return WORDS[DeviceProblem(problem)]
    return ProblemWords(
        Severity.BAD,
        f"The device reports {problem}, which this dashboard does not know.",
        "Update the dashboard.",
    )


def place_of(problem: str) -> int:
    """Return the place of a problem among all, the worst first; unknown ones follow the bad."""
    warnings = (place for place, words in enumerate(WORDS.values()) if words.severity != "bad")
    return _ORDER.get(problem, next(warnings) - 1)
