import json

import pytest
from pydantic import SecretStr

from cloud.contract.device_logs import LINE_LENGTH
from edge import log_memory
from edge.delivery.client import Client
from edge.delivery.device_log import send_last_lines
from edge.log_memory import LogMemory
from edge.redaction.secrets import Secrets
from tests.edge.cloud_double import KEY, CloudDouble


def memory(*events: str, **fields: object) -> LogMemory:
    kept = LogMemory()
    for event in events:
        kept(None, "info", {"event": event, **fields})
    return kept


def test_the_last_lines_come_in_order() -> None:
    lines, left_out = memory("a", "b", "c").last(2)
    assert [json.loads(line)["event"] for line in lines] == ["b", "c"]
    assert left_out == 0


def test_no_more_is_kept_or_given_than_the_bounds_allow() -> None:
    lines, left_out = memory(*(f"line{n}" for n in range(1500)), text="é" * 5000).last(1000)
    assert len(json.dumps(lines)) <= log_memory.BYTES_AT_MOST * 1.1
    assert all(len(line) <= LINE_LENGTH for line in lines)
    assert len(lines) + left_out == 1000
    assert '"line1499"' in lines[-1]


def test_no_line_holds_a_secret_that_became_known_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = memory("camera_lost", address="rtsp://user:camera-password@10.0.0.1/stream")
    monkeypatch.setattr(log_memory, "KNOWN", Secrets(words=["code-of-enrolment"]))
    kept(None, "info", {"event": "x", "text": "code-of-enrolment"})
    text = "".join(kept.last(10)[0])
    assert "camera-password" not in text
    assert "code-of-enrolment" not in text


def test_the_cloud_gets_the_lines(cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.delivery.device_log.LAST_LINES", memory("a", "b"))
    with Client(cloud.url, key=SecretStr(KEY)) as client:
        send_last_lines(client, 1)
    (log,) = cloud.logs
    assert [json.loads(line)["event"] for line in log.lines] == ["b"]
