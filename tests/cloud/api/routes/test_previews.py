"""Pictures from a device to who watches, over real sockets."""

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import PIL.Image
import pytest

from cloud.contract import Role
from cloud.settings import Settings
from cloud.store import Store, mint, now
from tests.cloud.api.routes.test_commands import beats, waiting
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, Login, SignIn, serving
from tests.doubles.redis_server import RedisServer


def jpeg(width: int = 64, height: int = 48, kind: str = "JPEG") -> bytes:
    held = io.BytesIO()
    PIL.Image.new("RGB", (width, height), (10, 200, 30)).save(held, kind)
    return held.getvalue()


def sent(device: httpx.Client, picture: bytes) -> httpx.Response:
    """As a device sends: when it is told that it is too early, again."""
    while True:
        answer = device.put("/v1/devices/me/preview", content=picture)
        if answer.status_code != 429:
            return answer
        time.sleep(0.05)


@contextmanager
def sending(device: httpx.Client, picture: bytes) -> Iterator[None]:
    """A device that has been asked, for the length of the block."""
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.1):
            device.put("/v1/devices/me/preview", content=picture)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=20)


@pytest.fixture
def camera(device: httpx.Client) -> httpx.Client:
    assert beats(device) == ""
    return device


def test_nobody_watches_so_the_device_stops(camera: httpx.Client) -> None:
    answer = sent(camera, jpeg())
    assert answer.status_code == 409
    assert code_of(answer) == "preview_unwanted"


def test_who_asks_for_a_picture_makes_the_device_send_one(
    camera: httpx.Client, login: Login
) -> None:
    picture, viewer = jpeg(), login(Role.VIEWER)
    with sending(camera, picture):
        answer = viewer.get(f"/v1/gates/{GATE}/preview.jpg")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == picture
    assert [command.kind for command in waiting(camera)] == ["preview_wanted"]


def test_pictures_come_one_after_the_other(camera: httpx.Client, login: Login) -> None:
    picture, viewer = jpeg(), login(Role.VIEWER)
    with (
        sending(camera, picture),
        viewer.stream("GET", f"/v1/gates/{GATE}/preview.mjpeg") as answer,
    ):
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
        held = b""
        for part in answer.iter_raw():
            held += part
            if held.count(b"--picture\r\n") >= 3:
                break
    assert held.count(picture) >= 2


def test_moving_pictures_end_when_the_key_expires(
    camera: httpx.Client, login: Login, store: Store
) -> None:
    minted = mint("short", Role.VIEWER, None, expires_at=now() + timedelta(seconds=3))
    store.keys.add(minted.stored)
    viewer = login(None)
    viewer.headers["Authorization"] = f"Bearer {minted.text}"
    path = f"/v1/gates/{GATE}/preview.mjpeg"
    with sending(camera, jpeg()), viewer.stream("GET", path) as answer:
        assert answer.status_code == 200
        held = b"".join(answer.iter_raw())
        assert b"--picture" in held
        assert code_of(viewer.get(path)) == "key_expired"


def test_moving_pictures_end_when_the_session_does(camera: httpx.Client, sign_in: SignIn) -> None:
    viewer = sign_in(Role.VIEWER)
    path = f"/v1/gates/{GATE}/preview.mjpeg"
    with sending(camera, jpeg()), viewer.stream("GET", path) as answer:
        assert answer.status_code == 200
        assert viewer.delete("/v1/sessions/me").status_code == 204
        assert b"--picture" in b"".join(answer.iter_raw())


def test_pictures_are_in_no_key_and_no_file(
    camera: httpx.Client, login: Login, store: Store, redis_server: RedisServer
) -> None:
    picture, viewer = jpeg(), login(Role.VIEWER)
    with sending(camera, picture):
        assert viewer.get(f"/v1/gates/{GATE}/preview.jpg").status_code == 200
        for key in store.client.scan_iter("*preview*"):
            assert store.client.get(key) == b""
    for file in redis_server.folder.rglob("*"):
        assert not file.is_file() or picture not in file.read_bytes()


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (b"", "preview_invalid"),
        (b"not a picture", "preview_invalid"),
        (jpeg(kind="PNG"), "preview_invalid"),
        (jpeg()[:20], "preview_invalid"),
        (jpeg(1281, 720), "preview_invalid"),
        (jpeg() + b"x" * 300_000, "body_too_large"),
    ],
)
def test_a_picture_that_is_none_or_too_large_is_refused(
    camera: httpx.Client, picture: bytes, code: str
) -> None:
    assert code_of(sent(camera, picture)) == code


def test_a_device_sends_five_pictures_a_second_at_most(camera: httpx.Client, store: Store) -> None:
    codes: Counter[str] = Counter()
    began = time.monotonic()
    while not codes["rate_limited"]:
        codes[code_of(camera.put("/v1/devices/me/preview", content=jpeg()))] += 1
    let_through = codes.total() - codes["rate_limited"]
    assert 1 <= let_through <= 1 + 5 * (time.monotonic() - began)


def test_a_gate_whose_devices_are_away_is_answered_at_once(login: Login) -> None:
    for way in ("jpg", "mjpeg"):
        answer = login(Role.VIEWER).get(f"/v1/gates/{GATE}/preview.{way}")
        assert code_of(answer) == "preview_absent"


def test_an_operator_may_forbid_it(camera: httpx.Client, operator: httpx.Client) -> None:
    operator.put(f"/v1/gates/{GATE}/settings", json={"preview_allowed": False})
    assert code_of(operator.get(f"/v1/gates/{GATE}/preview.jpg")) == "preview_forbidden"
    assert code_of(sent(camera, jpeg())) == "preview_forbidden"


def test_only_so_many_watch_one_gate(
    settings: Settings, store: Store, camera: httpx.Client, login: Login
) -> None:
    few = settings.model_copy(update={"preview_viewers": 1})
    key = login(Role.VIEWER).headers["Authorization"]
    with (
        serving(few) as url,
        sending(camera, jpeg()),
        httpx.Client(base_url=url, headers={"Authorization": key}, timeout=20) as viewer,
    ):
        path = f"/v1/gates/{GATE}/preview.mjpeg"
        with viewer.stream("GET", path) as first:
            assert first.status_code == 200
            second = viewer.get(path)
            assert second.status_code == 429
            assert code_of(second) == "preview_crowded"


def test_a_picture_of_another_gate_is_not_shown(login: Login, camera: httpx.Client) -> None:
    answer = login(Role.VIEWER, "back").get(f"/v1/gates/{GATE}/preview.jpg")
    assert code_of(answer) == "gate_forbidden"
