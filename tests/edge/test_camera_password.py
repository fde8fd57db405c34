"""A camera's password is not seen in anything that a real process writes."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest
from hypothesis import HealthCheck, given, settings
from typer.testing import CliRunner

from edge.__main__ import app
from edge.redaction.command_line import hide_source
from tests.edge.redaction.test_addresses import passwords

ROOT = Path(__file__).parents[2]

PASSWORD = "Zq7w#Wv5x/Kq3v?Xk8j@Jy4t%Bn6z"
PIECES = re.split(r"[#/?@%]", PASSWORD)
LOUD = {"OPENCV_LOG_LEVEL": "DEBUG", "OPENCV_VIDEOIO_DEBUG": "1", "OPENCV_FFMPEG_DEBUG": "1"}
"""Makes OpenCV and FFmpeg write all that they can, to standard output as well."""


def edge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shown(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


class RtspDouble(ThreadingTCPServer):
    """Asks for a name and a password, notes them, and then says that there is no such picture."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RtspSession)
        self.logins: list[str] = []
        self.refuses = False

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _RtspSession(StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, RtspDouble)
        while True:
            head: dict[str, str] = {}
            request = self.rfile.readline().decode()
            while line := self.rfile.readline().decode().strip():
                name, _, value = line.partition(": ")
                head[name] = value
            if not request:
                return
            status = "401 Unauthorized"
            if request.startswith("OPTIONS"):
                status = "200 OK"
            elif self.server.refuses:
                pass
            elif (said := head.get("Authorization", "")).startswith("Basic "):
                self.server.logins.append(base64.b64decode(said[6:]).decode())
                status = "404 Not Found"
            answer = [f"RTSP/1.0 {status}", f"CSeq: {head.get('CSeq', '')}"]
            if status.startswith("401"):
                answer.append('WWW-Authenticate: Basic realm="camera"')
            self.wfile.write("\r\n".join([*answer, "", ""]).encode())


@contextmanager
def rtsp() -> Iterator[RtspDouble]:
    with RtspDouble() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_doctor_hides_it_says_how_to_encode_it_and_why_the_camera_is_away(
    installed: Path,
) -> None:
    done = edge("doctor", "--json", EDGE_SOURCE=f"rtsp://admin:{PASSWORD}@127.0.0.1:9/1", **LOUD)
    assert not [piece for piece in PIECES if piece in shown(done)]
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["camera"]["detail"].startswith("camera rtsp://…@127.0.0.1:9/1 cannot be opened")
    assert checks["address"]["finding"] == "warn"
    assert "# is %23" in checks["address"]["mend"]


def test_a_camera_that_refuses_the_login_is_told_from_one_that_is_away(installed: Path) -> None:
    with rtsp() as camera:
        camera.refuses = True
        address = f"rtsp://admin:Zq7wert@127.0.0.1:{camera.port}/1"
        done = edge("doctor", "--json", EDGE_SOURCE=address)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "refuses the user name or the password" in checks["camera"]["detail"]
    assert "EDGE_SOURCE" in checks["camera"]["mend"]
    assert "Zq7wert" not in shown(done)


def test_the_reason_of_ffmpeg_is_part_of_what_the_doctor_says(installed: Path) -> None:
    done = edge("doctor", EDGE_SOURCE="rtsp://admin:Zq7wert@127.0.0.1:9/1")
    assert "Connection refused" in shown(done)
    assert "Zq7wert" not in shown(done)
    assert "%23" not in shown(done)


@given(secret=passwords())
@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_doctor_hides_any_password(installed: Path, secret: tuple[str, list[str]]) -> None:
    password, pieces = secret
    done = edge("doctor", "--source", f"rtsp://admin:{password}@127.0.0.1:9/1", **LOUD)
    assert not [piece for piece in pieces if piece in shown(done)]
    assert "fail camera" in done.stdout


@pytest.mark.parametrize("as_json", ["true", "false"])
def test_a_run_without_its_camera_hides_it_in_every_line_and_in_its_title(
    installed: Path, as_json: str
) -> None:
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "edge", "run", f"--source=rtsp://admin:{PASSWORD}@127.0.0.1:9/1"],
        cwd=ROOT,
        env=os.environ | LOUD | {"EDGE_LOG_JSON": as_json},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if "camera_away" in line:
                    break
            title = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
            process.send_signal(signal.SIGTERM)
            lines += process.stdout
            process.wait(timeout=60)
        finally:
            process.kill()
    output = "".join(lines)
    assert not [piece for piece in PIECES if piece in output + title]
    assert "edge\0run" in title
    assert "camera_address_not_encoded" in output
    assert "Connection refused" in output


def test_a_password_with_reserved_characters_reaches_the_camera(installed: Path) -> None:
    with rtsp() as camera:
        done = edge("doctor", EDGE_SOURCE=f"RTSP://admin:{PASSWORD}@127.0.0.1:{camera.port}/1")
        assert "DESCRIBE failed: 404 (Not Found)" in shown(done)
    assert set(camera.logins) == {f"admin:{PASSWORD}"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "rtsp://admin:Zq7wert@camera/1"],
        ["rtsp://admin:Zq7wert@camera/1"],
        ["run", "--sauce=rtsp://admin:Zq7wert@camera/1"],
        ["run", "--metrics-port", "rtsp://admin:Zq7wert@camera/1"],
        ["run", "--source", "ftp://admin:Zq7wert@camera/1"],
        ["run", "--source", "admin:Zq7wert@camera/1"],
        ["run", "--source", "rtsp:/admin:Zq7wert@camera/1"],
        ["run", "--source", "admin:Zq7wert@x://camera/1"],
        ["run", "--source", "0", "--cloud-url", "https://edge:Zq7wert@cloud"],
        ["enrol", "--code", "x", "--cloud-url", "https://edge:Zq7wert@cloud"],
        ["enrol", "--code", "x", "--cloud-url", "https://edge:Zq7#wert@cloud"],
        ["detect", "rtsp://admin:Zq7wert@camera/1", "--json"],
        ["bench", "--source", "rtsp://admin:Zq7wert@camera/1"],
        ["doctor", "--source", "rtsp://admin:Zq7wert@camera:port/1"],
    ],
)
def test_a_command_that_fails_quotes_no_password(installed: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "40"})
    assert result.exit_code != 0
    assert "Zq7" not in result.output
    assert "wert" not in result.output


def test_help_does_not_echo_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_SOURCE", "rtsp://admin:Zq7wert@camera/1")
    for command in ("run", "doctor"):
        assert "Zq7wert" not in CliRunner().invoke(app, [command, "--help"]).output


@pytest.mark.parametrize("proxy", ["http://me:Zq7#wert@proxy:3128", "socks://me:Zq7wert@proxy"])
def test_a_proxy_that_cannot_be_read_is_said_without_its_password(
    installed: Path, proxy: str
) -> None:
    done = edge(
        "doctor", EDGE_SOURCE="0", EDGE_CLOUD_URL="https://cloud.example", HTTPS_PROXY=proxy
    )
    assert "Zq7" not in shown(done)
    assert "wert" not in shown(done)
    assert "HTTPS_PROXY" in shown(done)


def test_a_traceback_hides_it(installed: Path) -> None:
    script = (
        "import runpy, sys; from edge import installation\n"
        "def run(*_a, **_k): raise RuntimeError('cannot read rtsp://admin:Zq7wert@h: Zq7wert')\n"
        "installation.run = run\n"
        "sys.argv = ['edge', 'run']\n"
        "from edge.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"EDGE_SOURCE": "rtsp://admin:Zq7wert@127.0.0.1:9/1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Zq7wert" not in shown(done)
    assert "RuntimeError: cannot read rtsp://…@h: …" in done.stderr


def test_only_a_source_with_a_password_leaves_the_arguments() -> None:
    begun: list[list[str]] = []
    environment: dict[str, str] = {}
    for arguments in (["run", "--source", "rtsp://camera/1"], ["run", "--source"], ["doctor"]):
        hide_source(arguments, environment, begun.append)
    assert (begun, environment) == ([], {})
    address = "rtsp://admin:secret@camera/1"
    hide_source(["run", "--source", address, "--loop"], environment, begun.append)
    hide_source(["doctor", f"--source={address}", "--json"], environment, begun.append)
    assert begun == [["run", "--loop"], ["doctor", "--json"]]
    assert environment == {"EDGE_SOURCE": address}
