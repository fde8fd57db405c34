import time
from collections.abc import Iterator
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from pydantic import SecretStr

from edge.delivery.client import Client
from edge.preview import LONGEST_SIDE, Preview, annotated_jpeg, blur
from edge.settings import PreviewMode
from edge.values import Box, Face, Frame, Image
from tests.edge.cloud_double import KEY, CloudDouble


def noise(height: int = 240, width: int = 320) -> Image:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


FACE = Face(Box(100, 80, 160, 150), 0.1)


@pytest.fixture
def client(cloud: CloudDouble) -> Iterator[Client]:
    with Client(cloud.url, key=SecretStr(KEY), timeout_s=20) as made:
        yield made


def detail(image: Image, box: Box) -> float:
    part = image[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)].astype(float)
    return float(np.abs(np.diff(part, axis=1)).mean())


def decode(picture: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8)


def test_a_face_is_blurred_unless_it_may_be_seen() -> None:
    frame = Frame(noise(), datetime.now(UTC))
    blurred = decode(annotated_jpeg(frame, [FACE], [], PreviewMode.ALLOWED))
    seen = decode(annotated_jpeg(frame, [FACE], [], PreviewMode.FACES))
    assert detail(blurred, FACE.box) < detail(seen, FACE.box) / 4
    assert detail(blurred, Box(0, 0, 60, 60)) > detail(seen, Box(0, 0, 60, 60)) / 2
    assert np.array_equal(frame.image, noise())


@pytest.mark.parametrize(
    "box", [Box(-20, -20, 30, 30), Box(300, 220, 400, 400), Box(5, 5, 5, 5), Box(0, 0, 320, 240)]
)
def test_a_face_at_the_border_is_blurred_too(box: Box) -> None:
    image = noise()
    blur(image, box)
    assert image.shape == (240, 320, 3)


def test_a_large_picture_is_made_smaller() -> None:
    frame = Frame(noise(1080, 1920), datetime.now(UTC))
    picture = annotated_jpeg(frame, [], [], PreviewMode.FACES)
    assert max(decode(picture).shape) == LONGEST_SIDE
    assert len(picture) < 2**20


def test_pictures_are_sent_while_somebody_watches(cloud: CloudDouble, client: Client) -> None:
    preview = Preview(client, PreviewMode.ALLOWED)
    frame = Frame(noise(), datetime.now(UTC))
    preview.start()
    try:
        preview.offer(frame, [FACE], [])
        assert not preview.wanted
        cloud.watched = True
        preview.request()
        with cloud.changed:
            preview.offer(frame, [FACE], [])
            assert cloud.changed.wait_for(lambda: len(cloud.previews) == 1, timeout=60)
        assert decode(cloud.previews[0]).shape == frame.image.shape
        cloud.watched = False
        deadline = time.monotonic() + 60
        while preview.wanted and time.monotonic() < deadline:
            preview.offer(frame, [FACE], [])
        assert not preview.wanted
    finally:
        preview.stop()


def test_no_picture_leaves_a_device_that_was_not_told_to_let_it(
    cloud: CloudDouble, client: Client
) -> None:
    preview = Preview(client, PreviewMode.OFF)
    preview.start()
    preview.request()
    assert not preview.wanted
    preview.stop()
    assert cloud.previews == []
