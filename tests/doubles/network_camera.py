"""A network camera that speaks HTTP: JPEG after JPEG in one multipart answer (MJPEG)."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2


def pictures_of(video: Path) -> tuple[list[bytes], float]:
    """Return the frames of a video, each as a JPEG, and how many there are in a second."""
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    try:
        fps = capture.get(cv2.CAP_PROP_FPS)
        pictures: list[bytes] = []
        while True:
            taken, image = capture.read()
            if not taken:
                return pictures, fps
            pictures.append(cv2.imencode(".jpg", image)[1].tobytes())
    finally:
        capture.release()


@contextmanager
def network_camera(
    pictures: Sequence[bytes],
    fps: float,
    port: int = 0,
    *,
    frames: int | None = None,
    stalled: threading.Event | None = None,
) -> Iterator[str]:
    """Show pictures again and again, for the length of a `with`.

    Args:
        pictures: The pictures, each as a JPEG.
        fps: How many are shown in a second.
        port: The port of 127.0.0.1; 0 takes a free one.
        frames: How many are shown in one answer, after which the answer ends; None for no end.
        stalled: While it is set, the camera keeps its connections open, and sends nothing.

    Yields:
        Host, port and path of the camera's address.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for jpeg in itertools.islice(itertools.cycle(pictures), frames):
                    if over.wait(1 / fps):
                        break
                    while stalled is not None and stalled.is_set() and not over.wait(0.02):
                        pass
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing into the output of the test."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}/stream.mjpg"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
