import socket
import time
from datetime import UTC, datetime
from urllib.request import urlopen

import pytest
from prometheus_client import generate_latest

from cloud.contract import CameraState, DeviceProblem, Heartbeat, Label
from edge.errors import SettingsError, SourceUnreadableError
from edge.health import Health, serve_metrics, worst
from edge.values import Box, Face, Frame, Judgement, Verdict
from tests.doubles.redis_server import free_port
from tests.edge import standins
from tests.edge.clocks import Clock
from tests.ipv6 import BOTH_FAMILIES, needs_ipv6

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock)


def frame(read_at: float) -> Frame:
    return Frame(standins.picture(None), MOMENT, 0, read_at)


def metric(health: Health, name: str) -> float:
    lines = generate_latest(health.registry).decode().splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


def test_frames_per_second_and_latency_are_those_of_late(health: Health, clock: Clock) -> None:
    for _ in range(40):
        clock.now += 0.5
        health.count_frame(frame(clock.now - 0.04), [], 0)
    assert health.fps == pytest.approx(2, rel=0.1)
    assert health.latency_ms == pytest.approx(40)
    clock.now += 60
    assert (health.fps, health.latency_ms) == (0, 0)


def test_what_happens_is_counted(health: Health) -> None:
    judged = Judgement(Face(Box(0, 0, 9, 9), 0.9), Label.WITH_MASK, dict.fromkeys(Label, 1 / 3))
    health.count_frame(frame(99), [judged], 2)
    health.count_verdict(Verdict(Label.WITHOUT_MASK, 1, 5, MOMENT, MOMENT, 1, Box(0, 0, 9, 9)))
    health.count_delivery()
    health.count_error(SourceUnreadableError("x"))
    assert metric(health, "maskgate_edge_frames_judged_total") == 1
    assert metric(health, 'maskgate_edge_faces_judged_total{label="with_mask"}') == 1
    assert metric(health, "maskgate_edge_faces_too_small_total") == 2
    assert metric(health, 'maskgate_edge_verdicts_total{label="without_mask"}') == 1
    assert metric(health, "maskgate_edge_events_delivered_total") == 1
    assert metric(health, 'maskgate_edge_errors_total{error="SourceUnreadableError"}') == 1
    assert metric(health, "maskgate_edge_latency_seconds_count") == 1


def test_several_cameras_are_told_apart(clock: Clock) -> None:
    health = Health(["main", "side"], clock=clock)
    for n in range(20):
        clock.now += 0.5
        health.count_frame(frame(clock.now - 0.02), [], 0, "main")
        if n % 2:
            health.count_frame(frame(clock.now - 0.06), [], 0, "side")
    verdict = Verdict(Label.WITH_MASK, 1, 5, MOMENT, MOMENT, 1, Box(0, 0, 9, 9), "side")
    health.count_verdict(verdict)
    assert metric(health, 'maskgate_edge_frames_judged_total{camera="side"}') == 10
    assert metric(health, 'maskgate_edge_verdicts_total{camera="side",label="with_mask"}') == 1
    assert health.fps == pytest.approx(3, rel=0.1)
    assert health.fps_of("main") == pytest.approx(2, rel=0.1)
    assert health.latency_ms_of("side") == pytest.approx(60)


def test_a_heartbeat_names_the_worst_of_more_problems_than_it_holds() -> None:
    every = list(DeviceProblem)
    named = worst(reversed(every))
    assert named == every[: len(named)]
    assert len(named) < len(every)
    beat = Heartbeat(
        sent_at=datetime.now(UTC),
        camera=CameraState.LIVE,
        fps=15,
        latency_ms=20,
        outbox_depth=0,
        version="1",
        problems=list(named),
    )
    assert beat.problems[0] == DeviceProblem.CAMERA_LOST


def test_metrics_are_served_until_the_end(health: Health) -> None:
    port = free_port()
    health.gauge("outbox_depth", "Events that wait", lambda: 7)
    stop = serve_metrics(health, "127.0.0.1", port)
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert b"maskgate_edge_outbox_depth 7.0" in answer.read()
        with pytest.raises(SettingsError, match=f"EDGE_METRICS_PORT: 127.0.0.1:{port}"):
            serve_metrics(health, "127.0.0.1", port)
    finally:
        stop()
    serve_metrics(health, "127.0.0.1", port)()


@needs_ipv6
def test_metrics_are_served_by_ipv6_alone(health: Health) -> None:
    port = free_port()
    stop = serve_metrics(health, "::1", port)
    try:
        with urlopen(f"http://[::1]:{port}/metrics") as answer:
            assert answer.status == 200
    finally:
        stop()


@pytest.mark.parametrize("error", ["OutboxFullError", "EventRejectedError", "Link_key_refused"])
def test_an_error_that_alerts_look_at_is_counted_as_0_before_its_first(
    health: Health, error: str
) -> None:
    assert metric(health, f'maskgate_edge_errors_total{{error="{error}"}}') == 0


@needs_ipv6
def test_metrics_on_every_address_are_read_on_ipv6_and_ipv4(health: Health) -> None:
    port = free_port()
    stop = serve_metrics(health, "::", port)
    try:
        for host in BOTH_FAMILIES:
            with urlopen(f"http://{host}:{port}/metrics") as answer:
                assert b"maskgate_edge_" in answer.read()
    finally:
        stop()


def test_a_scrape_that_stops_half_way_or_only_drips_in_ends(health: Health) -> None:
    port = free_port()
    stop = serve_metrics(health, "127.0.0.1", port, scrape_timeout_s=0.3)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as half,
            socket.create_connection(("127.0.0.1", port), timeout=60) as dripping,
        ):
            half.sendall(b"GET /metrics HTTP/1.1\r\nX-A: a")
            assert half.recv(1) == b""
            dripping.sendall(b"GET /metrics HTTP/1.1\r\nX-A: ")
            dripping.settimeout(0.02)
            deadline = time.monotonic() + 60
            ended = False
            while not ended:
                assert time.monotonic() < deadline
                try:
                    dripping.sendall(b"a")
                    ended = dripping.recv(1) != b"a"
                except TimeoutError:
                    continue
                except ConnectionError:
                    ended = True
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.status == 200
    finally:
        stop()
