"""The store: all repositories over one connection pool."""

from datetime import timedelta
from typing import Self

import redis

from cloud.notify.channels import QueueName
from cloud.settings import Settings
from cloud.store.acceptance import BatchBuilder
from cloud.store.access.accounts import (
    Accounts,
    Sessions,
)
from cloud.store.access.key_repository import Keys
from cloud.store.access.limits import Limits
from cloud.store.access.screens import Screens
from cloud.store.admission.events import Events
from cloud.store.admission.manual_passes import ManualPasses
from cloud.store.admission.pass_index import PassIndex
from cloud.store.admission.passes import Passes
from cloud.store.admission.redemptions import Redemptions
from cloud.store.connection import connect, translates_redis_errors
from cloud.store.jobs.lost_jobs import LostJobs
from cloud.store.jobs.outbox import Outbox
from cloud.store.jobs.queue import (
    JobWriter,
    job_queue,
    waited_s,
)
from cloud.store.maintenance.backup import Backup
from cloud.store.maintenance.deletion import Deletion
from cloud.store.maintenance.erasure import Erasure
from cloud.store.maintenance.migration import Migration
from cloud.store.maintenance.readings import Readings
from cloud.store.maintenance.retention import Retention
from cloud.store.messages.deliveries import Deliveries
from cloud.store.messages.digests import Digests
from cloud.store.messages.notices import Notices
from cloud.store.messages.outages import Outages
from cloud.store.messages.suspensions import Suspensions
from cloud.store.messages.telegram_limiter import FLEET_PER_SECOND, TelegramLimiter
from cloud.store.messages.webhook_secrets import WebhookSecrets
from cloud.store.moments import now
from cloud.store.people.chats import Chats
from cloud.store.people.staff import Staff
from cloud.store.people.updates import Updates
from cloud.store.people.visitors import Visitors
from cloud.store.reports.audit import Audit
from cloud.store.reports.statistics import Statistics
from cloud.store.sites.absences import Absences
from cloud.store.sites.commands import Commands
from cloud.store.sites.devices import Devices
from cloud.store.sites.gates import Gates
from cloud.store.sites.models import DeviceLogs, Models
from cloud.store.sites.previews import Previews


@translates_redis_errors
class Store:
    """All repositories over one connection pool. The first command connects."""

    def __init__(
        self,
        client: redis.Redis,
        retention: timedelta,
        audit_retention: timedelta,
        telegram_per_second: int = FLEET_PER_SECOND,
        *,
        session_idle: timedelta = timedelta(minutes=30),
        session_lifetime: timedelta = timedelta(hours=12),
        queue_client: redis.Redis | None = None,
    ) -> None:
        self._client = client
        self.queue = job_queue(queue_client or client)
        self.slow_queue = job_queue(queue_client or client, QueueName.SLOW)
        jobs = JobWriter(self.queue, self.slow_queue, elsewhere=queue_client is not None)
        self.outbox = Outbox(client, queue_client) if queue_client is not None else None
        self.batches = BatchBuilder(jobs, retention)
        self.events = Events(client, self.batches)
        self.passes = Passes(client, self.batches, retention)
        self.pass_index = PassIndex(client)
        self.redemptions = Redemptions(client)
        self.manual_passes = ManualPasses(client, self.batches, retention, audit_retention)
        self.deliveries = Deliveries(client, jobs, self.batches)
        self.gates = Gates(client, self.batches)
        self.keys = Keys(client)
        self.audit = Audit(client, audit_retention)
        self.devices = Devices(client)
        self.statistics = Statistics(client)
        self.visitors = Visitors(client)
        self.staff = Staff(client)
        self.chats = Chats(client)
        self.updates = Updates(client)
        self.migration = Migration(client, audit_retention)
        self.digests = Digests(client)
        self.limiter = TelegramLimiter(client, telegram_per_second)
        self.retention = Retention(client, self.statistics)
        self.backup = Backup(client, self.queue.connection)
        self.readings = Readings(client, self.queue.connection)
        self.deletion = Deletion(client, self.passes, audit_retention)
        self.erasure = Erasure(client)
        self.accounts = Accounts(client)
        self.sessions = Sessions(client, self.accounts, session_idle, session_lifetime)
        self.limits = Limits(client)
        self.screens = Screens(client)
        self.commands = Commands(client)
        self.previews = Previews(client)
        self.models = Models(client)
        self.device_logs = DeviceLogs(client)
        self.absences = Absences(client)
        self.outages = Outages(client, self.batches)
        self.suspensions = Suspensions(client, audit_retention)
        self.webhook_secrets = WebhookSecrets(client)
        self.lost_jobs = LostJobs(client, self.queue.connection, jobs)
        self.notices = Notices(client, self.batches)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Return a store on the Redis that the settings name, with its queue there or elsewhere."""
        elsewhere = settings.queue_url if settings.queue_url != settings.redis_url else None
        return cls(
            connect(settings.redis_url.get_secret_value()),
            timedelta(days=settings.retention_days),
            timedelta(days=settings.audit_days),
            settings.telegram_per_second,
            session_idle=timedelta(seconds=settings.session_idle_s),
            session_lifetime=timedelta(seconds=settings.session_lifetime_s),
            queue_client=connect(elsewhere.get_secret_value()) if elsewhere else None,
        )

    @property
    def client(self) -> redis.Redis:
        """The connection to the data."""
        return self._client

    @property
    def queue_client(self) -> redis.Redis:
        """The connection to the queue, for RQ's worker."""
        connection: redis.Redis = self.queue.connection
        return connection

    def ping(self) -> None:
        """Return if Redis answers; raise StoreUnavailable if not."""
        self._client.ping()

    def ping_queue(self) -> None:
        """Return if the queue's Redis answers; raise StoreUnavailable if not."""
        self.queue_client.ping()

    def waiting_jobs(self) -> int:
        """Return how many jobs wait for a worker, those in the outbox included."""
        in_outbox = len(self.outbox) if self.outbox is not None else 0
        return self.queue.count + self.slow_queue.count + in_outbox

    def oldest_wait_s(self) -> float:
        """Return the age of the oldest waiting job, in seconds; 0 for none."""
        at = now()
        waits = [waited_s(self.queue, at), waited_s(self.slow_queue, at)]
        if self.outbox is not None:
            waits.append(self.outbox.waited_s(at))
        return max(waits)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        if self.outbox is not None:
            self.queue_client.close()
