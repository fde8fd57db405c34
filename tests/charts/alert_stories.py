"""Stories of alerts: samples of a release, and the alert that they have to raise or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.charts.rendering import CLOUD, EDGE

API: Final = 'namespace="doors", job="mg-maskgate-api", pod="mg-maskgate-api-0"'
WORKER: Final = 'namespace="doors", job="doors/mg-maskgate-workers", container="worker"'
BOT: Final = 'namespace="doors", job="doors/mg-maskgate-workers", container="bot"'
DOOR: Final = 'namespace="doors", job="doors/mg-maskgate-edge", maskgate_io_door="main"'
OTHER_API: Final = 'namespace="doors", job="trial-maskgate-api"'
OTHER_WORKER: Final = 'namespace="doors", job="doors/trial-maskgate-workers", container="worker"'
DEVICE: Final = 'device="d1", gate="main", name="North"'

VALUES: Final[Mapping[str, Any]] = {
    "monitoring": {"enabled": True, "rules": {"enabled": True}},
    "backup": {"enabled": True},
    "telegram": {"existingSecret": "telegram"},
}
DOORS: Final[Mapping[str, Any]] = {
    "cloud": {"url": "https://gate.example.org"},
    "doors": {"main": {}},
    "monitoring": {"enabled": True, "rules": {"enabled": True}},
}
SCALED_TO_NONE: Final[Mapping[str, Any]] = {
    "worker": {
        "autoscaling": {
            "kind": "keda",
            "minReplicas": 0,
            "keda": {"trigger": "prometheus", "prometheusAddress": "http://prometheus:9090"},
        }
    }
}
UNREAD: Final[Mapping[str, Any]] = {"monitoring": {"enabled": False}}

Series = Mapping[str, str]
"""Samples by series, in promtool's notation: `1x9` is ten times 1, `0+2x3` is 0 2 4 6, `_` is none.
https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series"""

WELL: Final[Series] = {
    f"up{{{API}}}": "1x170",
    f"maskgate_store_up{{{API}}}": "1x170",
    f"maskgate_queue_oldest_job_seconds{{{API}}}": "0x170",
    f"up{{{WORKER}}}": "1x170",
    f"maskgate_subscribers_suspended{{{WORKER}}}": "3x170",
    f'maskgate_jobs_total{{{WORKER}, exported_job="deliver", outcome="broke"}}': "0x170",
    f"up{{{BOT}}}": "1x170",
    f"maskgate_bot_leads{{{BOT}}}": "1x170",
    f"maskgate_bot_last_heard_seconds{{{BOT}}}": "4x170",
    f"maskgate_bot_deaf_total{{{BOT}}}": "0x170",
    f"maskgate_device_online{{{API}, {DEVICE}}}": "1x170",
    f"maskgate_device_expected{{{API}, {DEVICE}}}": "1x170",
    f"maskgate_device_outbox_depth{{{API}, {DEVICE}}}": "0x170",
    f'maskgate_device_camera_state{{{API}, {DEVICE}, state="live"}}': "1x170",
    f'maskgate_device_camera_state{{{API}, {DEVICE}, state="reconnecting"}}': "0x170",
    f"maskgate_devices_unlisted{{{API}}}": "0x170",
    # Prometheus' clock starts at 0 in promtool: a backup each night, the last of them just now.
    f"maskgate_backup_last_success_timestamp_seconds{{{API}}}": "60+1800x170",
    f'maskgate_redis_memory_bytes{{{API}, redis="data"}}': "100x170",
    f'maskgate_redis_memory_limit_bytes{{{API}, redis="data"}}': "1000x170",
    f'maskgate_redis_log_written{{{API}, redis="data"}}': "1x170",
}
"""A release that is well, every half hour for three and a half days."""

BACKUP: Final = f"maskgate_backup_last_success_timestamp_seconds{{{API}}}"


@dataclass(frozen=True, slots=True)
class Story:
    """What happens, and which alert there is at which time.

    Attributes:
        alert: the name of the alert.
        fires: whether it does.
        at: time since the first sample, as Prometheus writes durations.
        series: samples, one each minute.
        every: time between two samples.
        values: over the chart's values.
    """

    alert: str
    fires: bool
    at: str
    series: Series
    every: str = "1m"
    values: Mapping[str, Any] = field(default_factory=dict)
    chart: Path = CLOUD


def device(online: str, expected: str = "1x20", **more: str) -> Series:
    series = {
        f"maskgate_device_online{{{API}, {DEVICE}}}": online,
        f"maskgate_device_expected{{{API}, {DEVICE}}}": expected,
    }
    if "camera" in more:
        state = f'maskgate_device_camera_state{{{API}, {DEVICE}, state="reconnecting"}}'
        series[state] = more["camera"]
    if "outbox" in more:
        series[f"maskgate_device_outbox_depth{{{API}, {DEVICE}}}"] = more["outbox"]
    return series


STORIES: Final = {
    "an API that does not answer is missed": Story(
        "MaskgateApiAway", True, "5m", {f"up{{{API}}}": "0x9"}
    ),
    "an API is missed though another release's answers": Story(
        "MaskgateApiAway", True, "5m", {f"up{{{OTHER_API}}}": "1x9"}
    ),
    "another release's Redis is not ours": Story(
        "MaskgateStoreAway",
        False,
        "5m",
        {
            f"maskgate_store_up{{{API}}}": "1x9",
            f"maskgate_store_up{{{OTHER_API}}}": "0x9",
        },
    ),
    "a worker is missed though the bot and another release's worker run": Story(
        "MaskgateNoWorker", True, "5m", {f"up{{{BOT}}}": "1x9", f"up{{{OTHER_WORKER}}}": "1x9"}
    ),
    "a worker that runs is not missed": Story(
        "MaskgateNoWorker", False, "5m", {f"up{{{WORKER}}}": "1x9"}
    ),
    "workers that were scaled to none are not missed with nothing to do": Story(
        "MaskgateNoWorker",
        False,
        "5m",
        {f"maskgate_queue_oldest_job_seconds{{{API}}}": "0x9"},
        values=SCALED_TO_NONE,
    ),
    "workers that were scaled to none are missed when jobs wait": Story(
        "MaskgateNoWorker",
        True,
        "5m",
        {f"maskgate_queue_oldest_job_seconds{{{API}}}": "0+60x9"},
        values=SCALED_TO_NONE,
    ),
    "a job that breaks for the first time is seen": Story(
        "MaskgateJobsBreak",
        True,
        "25m",
        {f'maskgate_jobs_total{{{WORKER}, exported_job="deliver", outcome="broke"}}': "0x5 1+1x30"},
    ),
    "a device that sends nothing is missed": Story(
        "MaskgateDeviceAway", True, "12m", device("1x3 0x17")
    ),
    "a device that was away for a moment is not missed": Story(
        "MaskgateDeviceAway", False, "12m", device("1x3 0x3 1x14")
    ),
    "a device that is off on purpose is not missed": Story(
        "MaskgateDeviceAway", False, "12m", device("0x20", expected="0x20")
    ),
    "a device is missed once though several processes tell of it": Story(
        "MaskgateDeviceAway",
        True,
        "12m",
        {
            series.replace("api-0", f"api-{pod}"): values
            for pod in range(3)
            for series, values in device("0x20").items()
        },
    ),
    "a device that was revoked is missed no longer": Story(
        "MaskgateDeviceAway", False, "30m", device("0x20", expected="1x20")
    ),
    "a camera without pictures is seen": Story(
        "MaskgateDeviceCameraStalled", True, "12m", device("1x20", camera="1x20")
    ),
    "what a device said of its camera before it went away counts no longer": Story(
        "MaskgateDeviceCameraStalled", False, "12m", device("0x20", camera="1x20")
    ),
    "an outbox that is not emptied is seen": Story(
        "MaskgateDeviceOutboxGrows", True, "18m", device("1x20", outbox="0+10x20")
    ),
    "the outbox of a device that is away is expected to grow": Story(
        "MaskgateDeviceOutboxGrows", False, "18m", device("0x20", outbox="0+10x20")
    ),
    "devices past the bound are told": Story(
        "MaskgateDevicesUnlisted", True, "15m", {f"maskgate_devices_unlisted{{{API}}}": "2x20"}
    ),
    "no backup since the start is told after two days": Story(
        "MaskgateBackupIsOld", True, "49h", {BACKUP: "0x400"}, every="10m"
    ),
    "no backup since the start is not told on the first day": Story(
        "MaskgateBackupIsOld", False, "24h", {BACKUP: "0x400"}, every="10m"
    ),
    "no backup since the start is told though Redis was away in between": Story(
        "MaskgateBackupIsOld", True, "49h", {BACKUP: "0x100 _x3 0x300"}, every="10m"
    ),
    "a backup that is three days old is told": Story(
        "MaskgateBackupIsOld", True, "73h", {BACKUP: "3600x500"}, every="10m"
    ),
    "a backup of last night is not told": Story(
        "MaskgateBackupIsOld", False, "73h", {BACKUP: "180000x500"}, every="10m"
    ),
    "another release's backup is not ours": Story(
        "MaskgateBackupIsOld",
        True,
        "73h",
        {BACKUP: "3600x500", BACKUP.replace(API, OTHER_API): "180000x500"},
        every="10m",
    ),
    "without monitors a backup that never was is told": Story(
        "MaskgateBackupIsOld",
        True,
        "49h",
        {'kube_cronjob_created{namespace="doors", cronjob="mg-maskgate-backup"}': "60x400"},
        every="10m",
        values=UNREAD,
    ),
    "without monitors a backup of last night is not told": Story(
        "MaskgateBackupIsOld",
        False,
        "73h",
        {
            'kube_cronjob_created{namespace="doors", cronjob="mg-maskgate-backup"}': "60x500",
            'kube_cronjob_status_last_successful_time{namespace="doors", '
            'cronjob="mg-maskgate-backup"}': "180000x500",
        },
        every="10m",
        values=UNREAD,
    ),
    "a subscriber that was suspended just now is told": Story(
        "MaskgateSubscribersSuspended",
        True,
        "90m",
        {f"maskgate_subscribers_suspended{{{WORKER}}}": "3x80 4x30"},
    ),
    "subscribers that are suspended for long are not told again": Story(
        "MaskgateSubscribersSuspended",
        False,
        "150m",
        {f"maskgate_subscribers_suspended{{{WORKER}}}": "3x80 4x90"},
    ),
    "no bot that leads is missed": Story(
        "MaskgateNoBot", True, "8m", {f"maskgate_bot_leads{{{BOT}}}": "0x20"}
    ),
    "a bot that hears nothing is told": Story(
        "MaskgateBotIsDeaf", True, "12m", {f"maskgate_bot_deaf_total{{{BOT}}}": "0x8 1x9"}
    ),
    "a Redis that is nearly full is told": Story(
        "MaskgateRedisMemoryFills",
        True,
        "9m",
        {
            f'maskgate_redis_memory_bytes{{{API}, redis="queue"}}': "95x20",
            f'maskgate_redis_memory_limit_bytes{{{API}, redis="queue"}}': "100x20",
        },
    ),
    "a Redis without a limit is never full": Story(
        "MaskgateRedisMemoryFills",
        False,
        "9m",
        {
            f'maskgate_redis_memory_bytes{{{API}, redis="data"}}': "95x20",
            f'maskgate_redis_memory_limit_bytes{{{API}, redis="data"}}': "0x20",
        },
    ),
    "a Redis that cannot write its log is told": Story(
        "MaskgateRedisWritesFail",
        True,
        "5m",
        {f'maskgate_redis_log_written{{{API}, redis="data"}}': "0x9"},
    ),
    "a door that does not answer is missed": Story(
        "MaskgateEdgeAway", True, "8m", {f"up{{{DOOR}}}": "0x9"}, values=DOORS, chart=EDGE
    ),
    "a door without a pod is missed though another release's of its name answers": Story(
        "MaskgateEdgeAway",
        True,
        "8m",
        {f"up{{{DOOR.replace('mg-', 'trial-')}}}": "1x9"},
        values=DOORS,
        chart=EDGE,
    ),
    "a door that answers is not missed": Story(
        "MaskgateEdgeAway", False, "8m", {f"up{{{DOOR}}}": "1x9"}, values=DOORS, chart=EDGE
    ),
}
