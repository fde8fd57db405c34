"""The words for labels, and of mails, in each language."""

from typing import Final

from cloud.contract import Label, Language

WORDS: Final[dict[Language, dict[str, str | tuple[str, ...]]]] = {
    Language.EN: {
        "without": "without a mask",
        "wrongly": "mask worn wrongly",
        "with_mask": "with a mask",
        "without_mask": "no mask",
        "incorrect_mask": "mask worn wrongly",
        "heads": ("when", "what", "confidence"),
        "gate": "Gate",
        "when": "When",
        "arrived": "Arrived",
        "what": "What",
        "confidence": "Confidence",
        "note": "Note",
        "event": "Event",
        "late": "delivered late",
        "too_late": "The person has probably left: it came too late for a pass.",
        "clock_ahead": "The door's clock is ahead, so nobody can tell when this was, and no pass "
        "was made. The time above is the door's. Set its clock.",
        "looks": "from {} looks",
        "more": "The last 50 are listed. The dashboard has them all.",
        "why": "You get this mail because this address is subscribed to {}.",
    },
    Language.ES: {
        "without": "sin mascarilla",
        "wrongly": "mascarilla mal puesta",
        "with_mask": "con mascarilla",
        "without_mask": "sin mascarilla",
        "incorrect_mask": "mascarilla mal puesta",
        "heads": ("cuándo", "qué", "confianza"),
        "gate": "Puerta",
        "when": "Cuándo",
        "arrived": "Llegó",
        "what": "Qué",
        "confidence": "Confianza",
        "note": "Nota",
        "event": "Evento",
        "late": "entregado con retraso",
        "too_late": "La persona probablemente se ha ido: llegó tarde para un pase.",
        "clock_ahead": "El reloj de la puerta va adelantado, así que nadie puede saber cuándo fue, "
        "y no se hizo ningún pase. La hora de arriba es la de la puerta. Pon su reloj en hora.",
        "looks": "en {} miradas",
        "more": "Se muestran los últimos 50. El panel los tiene todos.",
        "why": "Recibes este correo porque esta dirección está suscrita a {}.",
    },
}


def label_words(label: Label, language: Language) -> str:
    """Return the words for a label."""
    return str(WORDS[language][label.value])
