"""Scanners that type, scanners at a serial port, and a camera: all give the texts of codes."""

import io
import os
from pathlib import Path

import cv2
import pytest

from edge.capture.camera import Camera
from edge.capture.sources import Source
from edge.door.readers import CameraReader, LineReader, RunningReaders, SerialReader
from edge.errors import SourceError, SourceMissingError
from tests.edge.door.signed import OTHER_TOKEN, TOKEN, code
from tests.edge.door.test_codes import phone


def test_lines_are_codes_and_empty_lines_are_none() -> None:
    running = RunningReaders([LineReader(io.BytesIO(f"{TOKEN}\r\n\n{code()}\n".encode()))])
    running.start()
    assert [running.next(), running.next(), running.next()] == [TOKEN, code(), None]


def test_a_serial_scanner_is_read_until_it_is_stopped() -> None:
    ours, theirs = os.openpty()
    running = RunningReaders([SerialReader(os.ttyname(theirs))])
    running.start()
    os.write(ours, f"{TOKEN}\r\n{OTHER_TOKEN}\n".encode())
    assert [running.next(), running.next()] == [TOKEN, OTHER_TOKEN]
    running.stop()
    assert running.next() is None
    os.close(ours)
    os.close(theirs)


def test_a_serial_port_that_does_not_exist_is_named() -> None:
    with pytest.raises(SourceMissingError, match="/dev/ttyNone"):
        SerialReader("/dev/ttyNone")


def test_a_code_before_the_camera_is_read_once(tmp_path: Path) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), phone(code(), 210, turned=number))
    camera = Camera(Source.parse(str(tmp_path)), folder_fps=100)
    running = RunningReaders([CameraReader(camera)])
    running.start()
    assert [running.next(), running.next()] == [code(), None]


def test_a_reader_that_fails_ends_the_door_with_its_error(tmp_path: Path) -> None:
    clip = tmp_path / "none.mp4"
    clip.write_bytes(b"no video")
    running = RunningReaders([CameraReader(Camera(Source.parse(str(clip))))])
    running.start()
    with pytest.raises(SourceError, match=r"none\.mp4"):
        running.next()
