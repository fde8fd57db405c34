"""The bundled clip is what its script makes, and small enough to bundle."""

import cv2

from demo import clip


def test_the_bundled_clip_plays_to_its_end() -> None:
    capture = cv2.VideoCapture(str(clip.BUNDLED))
    count = 0
    while True:
        read, frame = capture.read()
        if not read:
            break
        assert frame.shape == (clip.HEIGHT, clip.WIDTH, 3)
        count += 1
    seconds = 2 * (clip.ABSENT_S + 2 * clip.WALK_S + clip.STAND_S) + 1
    assert abs(count / clip.FPS - seconds) < 1


def test_the_bundled_clip_is_at_most_a_mebibyte() -> None:
    assert clip.BUNDLED.stat().st_size <= 2**20


def test_the_script_makes_the_bundled_frames() -> None:
    made = clip.frames()
    capture = cv2.VideoCapture(str(clip.BUNDLED))
    for index in range(0, len(made), 30):
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, bundled = capture.read()
        assert read
        # Compression blurs the noise; anything more would be another picture.
        assert cv2.absdiff(made[index], bundled).mean() < 6
