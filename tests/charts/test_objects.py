"""What the charts promise, looked up in the objects that they give."""

import base64
import re
from typing import Any

import pytest

import cloud.settings
import dashboard.settings
import edge.door.settings
import edge.settings
from cloud.notify.channels import QueueName
from cloud.store.access.keys import SECRET_BYTES, split_key
from cloud.store.jobs.queue import JOB_TIMEOUT_S
from tests.charts.rendering import (
    CLOUD,
    Scenario,
    containers,
    environment,
    named,
    objects,
    objects_of,
    of_kind,
    pods,
    rendered,
)

FOLDERS = {f"{prefix}_SECRETS_DIR" for prefix in ("CLOUD", "DASHBOARD", "EDGE")}
OTHERS = {"NODE_NAME", "SSL_CERT_FILE", "REDISCLI_AUTH"}


def _known(settings: Any) -> set[str]:
    prefix = settings.model_config["env_prefix"]
    return {f"{prefix}{name.upper()}" for name in settings.model_fields}


KNOWN = (
    _known(cloud.settings.Settings)
    | _known(dashboard.settings.Settings)
    | _known(edge.settings.Settings)
    | _known(edge.door.settings.DoorSettings)
)


def _given(values: Any) -> set[str]:
    """The variables that a scenario gives in `extraEnv`, for all or for one."""
    if not isinstance(values, dict):
        return set()
    found = {each["name"] for each in values.get("extraEnv", [])}
    return found.union(*(_given(value) for value in values.values()))


def test_every_variable_and_every_secret_file_is_a_setting_that_is_read(
    scenario: Scenario,
) -> None:
    known = KNOWN | FOLDERS | OTHERS | _given(scenario.values)
    for name, pod in pods(objects(scenario)):
        for container in containers(pod):
            if container["name"] == "login":  # others' program, which has settings of its own
                continue
            for variable in environment(container):
                told = variable in known
                assert told or variable.startswith(("STREAMLIT_SERVER_", "OTEL_")), (
                    f"{name}: nothing reads {variable}"
                )
        for volume in pod["spec"].get("volumes", []):
            if volume["name"] != "secrets":
                continue
            sources = volume.get("projected", {}).get("sources") or [volume]
            for source in sources:
                for item in source.get("secret", {}).get("items", []):
                    file = item["path"].rpartition("/")[2]
                    assert file.upper() in KNOWN, f"{name}: nothing reads the file {file}"
    for config in of_kind(objects(scenario), "ConfigMap"):
        if config["metadata"]["name"].endswith("-settings"):
            assert set(config["data"] or {}) <= KNOWN


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("CLOUD_MAX_BODY_BYTES", 1048576, "1048576"),
        ("CLOUD_STREAM_LIFETIME_S", 0.5, "0.5"),
        ("CLOUD_WEBHOOK_PRIVATE_ADDRESSES", True, "true"),
        ("CLOUD_KEY_RATE", "", ""),
    ],
)
def test_a_setting_is_handed_on_as_people_wrote_it(name: str, value: Any, read: str) -> None:
    settings = named(rendered(CLOUD, {"settings": {name: value}}), "ConfigMap", "settings")
    assert settings["data"] == {name: read}


def test_pods_restart_when_a_setting_changes_and_only_then() -> None:
    def checksum(values: dict[str, Any]) -> str:
        api = named(rendered(CLOUD, values), "Deployment", "api")
        found: str = api["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        return found

    assert checksum({}) == checksum({"backup": {"enabled": True}})
    assert checksum({}) != checksum({"settings": {"CLOUD_PASS_LIFETIME_S": 60}})


def test_the_bundled_redis_keeps_what_it_is_given() -> None:
    manifests = objects_of("maskgate", "default")
    config = named(manifests, "ConfigMap", "redis")["data"]["redis.conf"]
    for line in (
        "appendonly yes",
        "appendfsync always",
        "hash-max-listpack-value 1024",
        "maxmemory-policy noeviction",
    ):
        assert line in config.splitlines()
    redis = named(manifests, "StatefulSet", "redis")["spec"]
    (claim,) = redis["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "8Gi"
    command = redis["template"]["spec"]["containers"][0]["command"]
    assert "--requirepass" not in str(command), "a password in the list of processes"


def test_made_secrets_are_long_fit_together_and_are_kept() -> None:
    manifests = rendered(CLOUD, {})
    redis = named(manifests, "Secret", "redis")
    password = base64.b64decode(redis["data"]["redis-password"]).decode()
    url = base64.b64decode(redis["data"]["redis-url"]).decode()
    assert re.fullmatch("[A-Za-z0-9]{43}", password)
    assert url == f"redis://:{password}@mg-maskgate-redis:6379/0"
    key_secret = named(manifests, "Secret", "dashboard")
    key_id, secret = split_key(base64.b64decode(key_secret["data"]["dashboard-api-key"]).decode())
    assert re.fullmatch("[0-9a-f]{12}", key_id)
    assert len(secret) * 6 >= SECRET_BYTES * 8
    for made in (redis, key_secret):
        assert made["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    again = named(rendered(CLOUD, {}), "Secret", "redis")
    assert again["data"] != redis["data"], "nothing is made twice"


def test_with_existing_secrets_none_is_made() -> None:
    assert of_kind(objects_of("maskgate", "gitops"), "Secret") == []
    assert of_kind(objects_of("maskgate", "production"), "Secret") == []
    for name in ("default", "several-doors", "kubeedge"):
        assert of_kind(objects_of("maskgate-edge", name), "Secret") == []


def test_each_process_gets_the_secrets_that_it_needs_and_no_more() -> None:
    held = {
        name.partition("mg-maskgate-")[2]: {
            item["path"]
            for volume in pod["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources") or [volume]
            for item in source.get("secret", {}).get("items", [])
        }
        for name, pod in pods(objects_of("maskgate", "production"))
    }
    store = {"cloud_redis_url", "cloud_queue_url", "ca.crt"}
    signs = store | {"cloud_pass_signing_key"}
    assert held == {
        "api": signs,
        "worker": signs | {"cloud_telegram_token", "cloud_smtp_password"},
        "bot": store | {"cloud_telegram_token", "cloud_telegram_webhook_secret"},
        "dashboard": {"dashboard_api_key"},
        "setup": store,
        "backup": store,
        "rehearsal": store,
    }


def test_a_worker_has_time_for_the_job_in_hand() -> None:
    for name in ("default", "production", "keda"):
        worker = named(objects_of("maskgate", name), "Deployment", "worker")
        grace = worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > JOB_TIMEOUT_S


def test_what_scales_by_itself_is_not_told_how_many() -> None:
    for name, component in (("production", "api"), ("production", "worker"), ("keda", "worker")):
        deployment = named(objects_of("maskgate", name), "Deployment", component)
        assert "replicas" not in deployment["spec"]


def test_keda_looks_at_the_lists_that_workers_take_from() -> None:
    manifests = objects_of("maskgate", "keda")
    scaled = named(manifests, "ScaledObject", "worker")["spec"]
    lists = [trigger["metadata"]["listName"] for trigger in scaled["triggers"]]
    assert lists == [f"rq:queue:{name.value}" for name in QueueName]
    for trigger in scaled["triggers"]:
        assert trigger["type"] == "redis"
        assert trigger["metadata"]["address"] == "mg-maskgate-redis.doors.svc:6379"
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 20)
    login = named(manifests, "TriggerAuthentication", "worker")["spec"]["secretTargetRef"]
    assert login == [
        {"parameter": "password", "name": "mg-maskgate-redis", "key": "redis-password"}
    ]

    scaled = named(objects_of("maskgate", "keda-sentinel"), "ScaledObject", "worker")["spec"]
    assert len(scaled["triggers"]) == 2
    for trigger in scaled["triggers"]:
        assert trigger["type"] == "redis-sentinel"
        assert trigger["metadata"]["sentinelMaster"] == "maskgate"
    (trigger,) = named(objects_of("maskgate", "keda-prometheus"), "ScaledObject", "worker")["spec"][
        "triggers"
    ]
    assert trigger["metadata"]["query"] == (
        'max(maskgate_queue_depth{namespace="doors", service="mg-maskgate-api"})'
    )


def test_metrics_are_never_led_outside() -> None:
    for name in ("production", "gateway"):
        manifests = objects_of("maskgate", name)
        paths = re.findall(
            r"'(?:path|value)': '(/[^']*)'",
            str([*of_kind(manifests, "Ingress"), *of_kind(manifests, "HTTPRoute")]),
        )
        assert {"/v1", "/p", "/telegram"} <= set(paths)
        assert not any(path.startswith("/metrics") for path in paths)


def test_without_a_token_there_is_no_bot_and_with_a_webhook_one_alone() -> None:
    assert "mg-maskgate-bot" not in str(objects_of("maskgate", "default"))
    bot = named(objects_of("maskgate", "production"), "Deployment", "bot")["spec"]
    assert (bot["replicas"], bot["strategy"]["type"]) == (1, "Recreate")
    polling = named(objects_of("maskgate", "keda-prometheus"), "Deployment", "bot")["spec"]
    assert polling["replicas"] == 2


def test_budgets_are_for_what_there_are_two_of() -> None:
    def budgets(name: str) -> set[str]:
        found = of_kind(objects_of("maskgate", name), "PodDisruptionBudget")
        return {each["metadata"]["name"].removeprefix("mg-maskgate-") for each in found}

    assert budgets("default") == {"api", "worker"}
    assert budgets("one-node") == set()
    assert budgets("production") == {"api", "worker", "dashboard"}
    assert budgets("keda") == {"api"}


def test_the_rehearsal_is_what_helm_test_runs() -> None:
    pod = named(objects_of("maskgate", "default"), "Pod", "rehearsal")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["containers"][0]["args"][:3] == [
        "rehearse",
        "--api-url",
        "http://mg-maskgate-api:8000",
    ]


def test_gates_and_the_dashboards_key_are_made_by_steps_that_may_be_repeated() -> None:
    job = named(objects_of("maskgate", "one-node"), "Job", "setup")
    steps = [container["args"] for container in containers(job["spec"]["template"])]
    assert steps == [
        ["gates", "create", "main", "--name", "Main entrance", "--if-missing"],
        [
            *("keys", "add", "Dashboard", "--role", "operator"),
            *("--file", "/run/secrets/dashboard_api_key"),
        ],
    ]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
    assert of_kind(objects_of("maskgate", "external-redis"), "Job") == []


def test_the_commands_of_jobs_are_commands_of_the_cloud() -> None:
    import typer.main

    from cloud.__main__ import app

    root = typer.main.get_command(app)
    for scenario in ("default", "production", "one-node", "keda"):
        for _, pod in pods(objects_of("maskgate", scenario)):
            for container in containers(pod):
                if not container["image"].startswith("maskgate/cloud"):
                    continue
                command: Any = root
                words = list(container["args"])
                while words and hasattr(command, "commands"):
                    assert words[0] in command.commands, container["args"]
                    command = command.commands[words.pop(0)]
                options = {option for each in command.params for option in each.opts}
                assert {word for word in words if word.startswith("--")} <= options
