"""A network camera that speaks HTTP: a video's pictures, one JPEG after the other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2


def _pictures(video: Path) -> tuple[list[bytes], float]:
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
def network_camera(video: Path, port: int) -> Iterator[str]:
    """Show a video again and again at its own pace, for the length of a `with`.

    Yields:
        Host, port and path of its address.
    """
    pictures, fps = _pictures(video)
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                while not over.is_set():
                    for jpeg in pictures:
                        if over.wait(1 / fps):
                            break
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                        self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{port}/stream.mjpg"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
