"""Clouds that hold a connection for ever."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class HungCloud:
    """A cloud that takes requests and gives no whole answer.

    Attributes:
        url: Of the cloud.
        asked: Is set when the first request has come.
        ended: Ends all connections.
    """

    url: str
    asked: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hanging(
    *, headers: bytes = b"", piece: bytes = b"", every_s: float = 0.01
) -> Iterator[HungCloud]:
    """A cloud that answers with headers at most, and then with the same piece again and again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        cloud = HungCloud(f"http://127.0.0.1:{server.getsockname()[1]}")

        def hold(connection: socket.socket) -> None:
            with connection:
                connection.recv(65_536)
                cloud.asked.set()
                try:
                    connection.sendall(headers)
                    while not cloud.ended.wait(every_s):
                        connection.sendall(piece)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=hold, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield cloud
        finally:
            cloud.ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
