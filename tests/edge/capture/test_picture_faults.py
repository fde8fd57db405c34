import functools
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.capture.picture_faults import PictureFault, PictureWatch
from edge.values import Image

FPS = 15
HEIGHT, WIDTH = 360, 640

Scene = Callable[[], Image]
"""Returns the next picture of a camera."""


@functools.cache
def grains(noise: float) -> list[npt.NDArray[np.float32]]:
    """Patterns of noise, always the same for the same test."""
    random = np.random.default_rng(7)
    return [random.normal(0, noise, (HEIGHT, WIDTH, 3)).astype(np.float32) for _ in range(5)]


class Sensor:
    """A camera's sensor: adds noise to scenes, and no two pictures in a row are the same."""

    def __init__(self) -> None:
        self._count = 0

    def seen(self, scene: Image, noise: float = 3.0) -> Image:
        self._count += 1
        grain = grains(noise)[self._count % 5]
        return np.asarray(cv2.add(scene, grain, dtype=cv2.CV_8U), np.uint8)


@functools.cache
def room() -> Image:
    """A door with a frame, a lamp and a poster: edges, dark and bright."""
    image = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    cv2.rectangle(image, (220, 60), (420, 359), (60, 50, 45), -1)
    cv2.rectangle(image, (220, 60), (420, 359), (200, 200, 200), 6)
    cv2.circle(image, (90, 60), 34, (245, 245, 245), -1)
    for i in range(8):
        cv2.rectangle(image, (500, 80 + 20 * i), (600, 90 + 20 * i), (20 + 25 * i, 30, 40), -1)
    return image


@functools.cache
def face_that_fills_the_picture() -> Image:
    image = np.full((HEIGHT, WIDTH, 3), (130, 150, 190), np.uint8)
    cv2.ellipse(image, (220, 130), (60, 22), 0, 0, 360, (235, 235, 235), -1)
    cv2.ellipse(image, (420, 130), (60, 22), 0, 0, 360, (235, 235, 235), -1)
    cv2.circle(image, (220, 130), 18, (30, 30, 40), -1)
    cv2.circle(image, (420, 130), 18, (30, 30, 40), -1)
    cv2.rectangle(image, (160, 200), (480, 359), (225, 215, 200), -1)
    return image


@functools.cache
def ramp(dark: float, bright: float) -> Image:
    """A picture that brightens evenly from the left to the right."""
    line = np.linspace(dark, bright, WIDTH)
    return np.tile(line[None, :, None], (HEIGHT, 1, 3)).astype(np.float32).astype(np.uint8)


@functools.cache
def constant(value: int) -> Image:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


class Watched:
    """A watch with the faults that it has reported, each with the second of its beginning."""

    def __init__(self, *, live: bool = True) -> None:
        self.now = 1000.0
        self.sensor = Sensor()
        self.changes: list[tuple[PictureFault | None, float]] = []
        self.watch = PictureWatch(lambda fault: self.changes.append((fault, self.now)), live=live)

    def show(self, picture: Scene, seconds: float) -> list[bool]:
        """Show pictures for some seconds; say of each whether it is dead."""
        dead = []
        for _ in range(round(seconds * FPS)):
            dead.append(self.watch.is_dead(picture(), self.now))
            self.now += 1 / FPS
        return dead

    def show_room(self, seconds: float = 12) -> list[bool]:
        return self.show(lambda: self.sensor.seen(room()), seconds)

    @property
    def faults(self) -> list[PictureFault | None]:
        return [fault for fault, _ in self.changes]


@pytest.fixture
def watched() -> Watched:
    """A watch that has seen a room for 12 seconds."""
    watched = Watched()
    watched.show_room()
    assert watched.changes == []
    return watched


DEAD: dict[PictureFault, Callable[[Sensor], Image]] = {
    PictureFault.BLACK: lambda sensor: sensor.seen(constant(1), 2),
    PictureFault.CONSTANT: lambda _: constant(128),
    PictureFault.COVERED: lambda sensor: sensor.seen(ramp(60, 75)),
}


@pytest.mark.parametrize("fault", DEAD)
def test_a_dead_picture_has_a_name_within_five_seconds_and_is_not_judged(
    watched: Watched, fault: PictureFault
) -> None:
    began = watched.now
    dead = watched.show(lambda: DEAD[fault](watched.sensor), 6)
    ((found, at),) = watched.changes
    assert found is fault
    assert at - began < 5
    assert all(dead[5 * FPS :])
    assert watched.watch.fault is fault


@pytest.mark.parametrize("fault", DEAD)
def test_a_fault_is_over_soon_after_the_picture_returns(
    watched: Watched, fault: PictureFault
) -> None:
    watched.show(lambda: DEAD[fault](watched.sensor), 6)
    dead = watched.show_room(2)
    assert watched.faults == [fault, None]
    assert not any(dead[FPS:])


def test_a_lens_out_of_focus_is_named_and_people_are_judged_on(watched: Watched) -> None:
    blurred = np.asarray(cv2.GaussianBlur(room(), (0, 0), 9), np.uint8)
    dead = watched.show(lambda: watched.sensor.seen(blurred), 6)
    assert watched.faults == [PictureFault.BLURRED]
    assert not any(dead)


def test_a_camera_that_repeats_one_picture_is_frozen_until_another_comes(
    watched: Watched,
) -> None:
    still = watched.sensor.seen(room())
    began = watched.now
    dead = watched.show(lambda: still, 6)
    ((found, at),) = watched.changes
    assert found is PictureFault.FROZEN
    assert at - began < 5
    assert all(dead[5 * FPS :])
    assert watched.show_room(1) == [False] * FPS
    assert watched.faults == [PictureFault.FROZEN, None]


def test_an_encoder_that_skips_a_static_scene_is_called_frozen_once_at_most(
    watched: Watched,
) -> None:
    def key_frames() -> Iterator[Image]:
        while True:
            picture = watched.sensor.seen(room())
            yield from [picture] * (7 * FPS)  # seconds from key frame to key frame

    pictures = key_frames()
    watched.show(lambda: next(pictures), 40)
    assert watched.faults == [PictureFault.FROZEN, None]


def test_a_person_who_fills_the_picture_is_no_fault(watched: Watched) -> None:
    dead = watched.show(lambda: watched.sensor.seen(face_that_fills_the_picture()), 15)
    assert watched.changes == []
    assert not any(dead)


def test_a_dark_corridor_with_noise_is_no_fault() -> None:
    watched = Watched()
    dead = watched.show(lambda: watched.sensor.seen(ramp(4, 24), 5), 15)
    assert watched.changes == []
    assert not any(dead)


def test_a_white_wall_is_no_fault() -> None:
    watched = Watched()
    dead = watched.show(lambda: watched.sensor.seen(ramp(180, 220)), 15)
    assert watched.changes == []
    assert not any(dead)


@pytest.mark.parametrize("light", [0.4, 0.2, 0.1])
def test_lights_that_go_off_and_on_are_no_fault(watched: Watched, light: float) -> None:
    dim = (room() * light).astype(np.uint8)
    watched.show(lambda: watched.sensor.seen(dim, 4), 8)
    watched.show_room(8)
    assert watched.changes == []


def test_a_moment_of_darkness_is_not_reported(watched: Watched) -> None:
    dead = watched.show(lambda: constant(0), 1)
    watched.show_room(1)
    assert all(dead)
    assert watched.changes == []


def test_a_file_may_show_a_still_picture_and_cut_to_another_scene() -> None:
    watched = Watched(live=False)
    still = watched.sensor.seen(room())
    dead = watched.show(lambda: still, 20)
    dead += watched.show(lambda: watched.sensor.seen(ramp(60, 75)), 10)
    assert watched.changes == []
    assert not any(dead)
    assert (watched.watch.seen, watched.watch.dead) == (30 * FPS, 0)


def test_a_file_of_black_pictures_is_dead_throughout() -> None:
    watched = Watched(live=False)
    watched.show(lambda: constant(0), 2)
    assert watched.watch.dead == watched.watch.seen == 2 * FPS
