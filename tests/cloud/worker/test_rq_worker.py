import logging

import pytest
import redis
from structlog.testing import capture_logs

from cloud import availability
from cloud.worker import rq_worker

QUITTING = "Worker %s: found an unhandled exception, quitting..."
"""RQ's words (rq/worker/base.py, `work`)."""


@pytest.fixture
def rq_log(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    monkeypatch.setattr(availability, "of_the_store", availability.Availability())
    return rq_worker.RQ_LOG


def test_a_connection_that_ends_within_a_job_is_a_store_that_is_away(
    rq_log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as lines:
        rq_log.error(QUITTING, "w1", exc_info=redis.ConnectionError("reset by peer"))
    assert [line["event"] for line in lines] == ["store_away"]
    assert not caplog.records


def test_any_other_error_of_rq_keeps_its_traceback(
    rq_log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as lines:
        rq_log.error(QUITTING, "w1", exc_info=ValueError("unforeseen"))
    assert not lines
    (record,) = caplog.records
    assert record.exc_info
