"""Turns: which faces need a judgement in this frame, and whose last judgement still stands.

A face without a verdict is judged in each frame. Somebody with a verdict stays in view for seconds,
and what the face wears seldom changes: so it is judged some times a second, until a judgement
contradicts the verdict. From then on it is judged in each frame again, so that a mask that is put
on or taken off is noticed at most `AGAIN_S` later than by judging every frame.
"""

from cloud.contract import Label
from edge.tracking.tracks import Track

AGAIN_S = 0.2
"""Seconds for which a judgement stands that agrees with the verdict."""

_ROUNDING_S = 0.01
"""Frames do not come at even times."""


def is_due(track: Track, now_s: float) -> bool:
    """Return whether the face of a track needs a judgement now.

    Args:
        track: With the time and the label of its last judgement.
        now_s: Time of the frame.
    """
    last = track.last_judgement
    if last is None or track.sighting is None or not track.sighting.labels:
        return True
    if now_s - track.last_vote_s >= AGAIN_S - _ROUNDING_S:
        return True
    decided = track.sighting.labels[-1]
    return (last.label is Label.WITH_MASK) != (decided is Label.WITH_MASK)
