"""What the worker is measured against: RQ's default worker, which forks for every job."""

from rq import Worker
from rq.serializers import JSONSerializer

from cloud import logs
from cloud.notify.channels import notifiers
from cloud.settings import load
from cloud.store import Store
from cloud.worker import jobs
from cloud.worker.context import JobContext


def main() -> None:
    """Do the jobs that wait, with the cloud's own functions, and leave."""
    settings = load()
    logs.start(settings)
    store = Store.open(settings)
    jobs.set_context(JobContext(store, notifiers(settings), settings.public_url))
    Worker([store.queue], connection=store.queue.connection, serializer=JSONSerializer).work(
        burst=True, logging_level="ERROR"
    )


if __name__ == "__main__":
    main()
