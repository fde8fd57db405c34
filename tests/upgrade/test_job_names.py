"""The names of functions in the queue: workers of other versions do the same jobs."""

import pytest
from rq.utils import import_attribute

from cloud.store import DELIVER, DRAW_QR, SHOW_ACKNOWLEDGEMENT, WHEN_FAILED
from cloud.worker import jobs

OF_0_1_0 = {
    "cloud.jobs.deliver": jobs.deliver,
    "cloud.jobs.draw_qr": jobs.draw_qr,
    "cloud.jobs.show_acknowledgement": jobs.show_acknowledgement,
    "cloud.jobs.when_failed": jobs.when_failed,
}


def test_this_version_queues_jobs_under_names_that_workers_of_0_1_0_know() -> None:
    assert {DELIVER, DRAW_QR, SHOW_ACKNOWLEDGEMENT, WHEN_FAILED} == set(OF_0_1_0)


@pytest.mark.parametrize("name", OF_0_1_0)
def test_a_job_that_0_1_0_queued_is_done_by_this_version(name: str) -> None:
    assert import_attribute(name) is OF_0_1_0[name]
