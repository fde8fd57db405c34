"""What the charts promise, looked up in the objects that they give."""

import base64
import re
from typing import Any

import pytest

import cloud.settings
import dashboard.settings
import edge.settings
from cloud.store.keys import SECRET_BYTES, taken_apart
from cloud.store.queue import JOB_TIMEOUT_S, LETTERS_NAME, QUEUE_NAME
from tests.charts.rendering import (
    CLOUD,
    EDGE,
    Manifest,
    Scenario,
    containers,
    named,
    objects,
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
)


def _scenario(chart: str, name: str) -> tuple[Manifest, ...]:
    return objects(Scenario({"maskgate": CLOUD, "maskgate-edge": EDGE}[chart], name))


def _environment(container: Manifest) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container.get("env", [])}


def test_every_variable_and_every_secret_file_is_a_setting_that_is_read(
    scenario: Scenario,
) -> None:
    for name, pod in pods(objects(scenario)):
        for container in containers(pod):
            for variable in _environment(container):
                told = variable in KNOWN | FOLDERS | OTHERS
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
    manifests = _scenario("maskgate", "default")
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
    key_id, secret = taken_apart(base64.b64decode(key_secret["data"]["dashboard-api-key"]).decode())
    assert re.fullmatch("[0-9a-f]{12}", key_id)
    assert len(secret) * 6 >= SECRET_BYTES * 8
    for made in (redis, key_secret):
        assert made["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    again = named(rendered(CLOUD, {}), "Secret", "redis")
    assert again["data"] != redis["data"], "nothing is made twice"


def test_with_existing_secrets_none_is_made() -> None:
    assert of_kind(_scenario("maskgate", "gitops"), "Secret") == []
    assert of_kind(_scenario("maskgate", "production"), "Secret") == []
    for name in ("default", "several-doors", "kubeedge"):
        assert of_kind(_scenario("maskgate-edge", name), "Secret") == []


def test_each_process_gets_the_secrets_that_it_needs_and_no_more() -> None:
    held = {
        name.partition("mg-maskgate-")[2]: {
            item["path"]
            for volume in pod["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources") or [volume]
            for item in source.get("secret", {}).get("items", [])
        }
        for name, pod in pods(_scenario("maskgate", "production"))
    }
    store = {"cloud_redis_url", "cloud_queue_url", "ca.crt"}
    assert held == {
        "api": store,
        "worker": store | {"cloud_telegram_token", "cloud_smtp_password"},
        "bot": store | {"cloud_telegram_token", "cloud_telegram_webhook_secret"},
        "dashboard": {"dashboard_api_key"},
        "setup": store,
        "backup": store,
        "rehearsal": store,
    }


def test_a_worker_has_time_for_the_job_in_hand() -> None:
    for name in ("default", "production", "keda"):
        worker = named(_scenario("maskgate", name), "Deployment", "worker")
        grace = worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > JOB_TIMEOUT_S


def test_what_scales_by_itself_is_not_told_how_many() -> None:
    for name, component in (("production", "api"), ("production", "worker"), ("keda", "worker")):
        deployment = named(_scenario("maskgate", name), "Deployment", component)
        assert "replicas" not in deployment["spec"]


def test_keda_looks_at_the_lists_that_workers_take_from() -> None:
    manifests = _scenario("maskgate", "keda")
    scaled = named(manifests, "ScaledObject", "worker")["spec"]
    lists = [trigger["metadata"]["listName"] for trigger in scaled["triggers"]]
    assert lists == [f"rq:queue:{QUEUE_NAME}", f"rq:queue:{LETTERS_NAME}"]
    for trigger in scaled["triggers"]:
        assert trigger["type"] == "redis"
        assert trigger["metadata"]["address"] == "mg-maskgate-redis.doors.svc:6379"
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 20)
    login = named(manifests, "TriggerAuthentication", "worker")["spec"]["secretTargetRef"]
    assert login == [
        {"parameter": "password", "name": "mg-maskgate-redis", "key": "redis-password"}
    ]

    scaled = named(_scenario("maskgate", "keda-sentinel"), "ScaledObject", "worker")["spec"]
    assert len(scaled["triggers"]) == 2
    for trigger in scaled["triggers"]:
        assert trigger["type"] == "redis-sentinel"
        assert trigger["metadata"]["sentinelMaster"] == "maskgate"
    (trigger,) = named(_scenario("maskgate", "keda-prometheus"), "ScaledObject", "worker")["spec"][
        "triggers"
    ]
    assert trigger["metadata"]["query"] == (
        'max(maskgate_queue_depth{namespace="doors", service="mg-maskgate-api"})'
    )


def test_metrics_are_never_led_outside() -> None:
    for name in ("production", "gateway"):
        manifests = _scenario("maskgate", name)
        paths = re.findall(
            r"'(?:path|value)': '(/[^']*)'",
            str([*of_kind(manifests, "Ingress"), *of_kind(manifests, "HTTPRoute")]),
        )
        assert {"/v1", "/p", "/telegram"} <= set(paths)
        assert not any(path.startswith("/metrics") for path in paths)


def test_without_a_token_there_is_no_bot_and_with_a_webhook_one_alone() -> None:
    assert "mg-maskgate-bot" not in str(_scenario("maskgate", "default"))
    bot = named(_scenario("maskgate", "production"), "Deployment", "bot")["spec"]
    assert (bot["replicas"], bot["strategy"]["type"]) == (1, "Recreate")
    polling = named(_scenario("maskgate", "keda-prometheus"), "Deployment", "bot")["spec"]
    assert polling["replicas"] == 2


def test_budgets_are_for_what_there_are_two_of() -> None:
    def budgets(name: str) -> set[str]:
        found = of_kind(_scenario("maskgate", name), "PodDisruptionBudget")
        return {each["metadata"]["name"].removeprefix("mg-maskgate-") for each in found}

    assert budgets("default") == {"api", "worker"}
    assert budgets("one-node") == set()
    assert budgets("production") == {"api", "worker", "dashboard"}
    assert budgets("keda") == {"api"}


# The arrows of the network: who may call whom, read from the policies as a network would.


def _allowed(manifests: tuple[Manifest, ...]) -> set[tuple[str, str, int | str]]:
    """Return (from, to, port) that both ends' policies allow, between components."""
    policies = [each["spec"] for each in of_kind(manifests, "NetworkPolicy")]
    components = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["metadata"]["labels"]
        for _, pod in pods(manifests)
    }

    def selects(selector: Manifest, labels: Manifest) -> bool:
        wanted = selector.get("matchLabels", {})
        among = selector.get("matchExpressions", [])
        return all(labels.get(name) == value for name, value in wanted.items()) and all(
            labels.get(each["key"]) in each["values"] for each in among
        )

    def reaches(side: str, peers: str, own: Manifest, other: Manifest) -> set[int | str]:
        return {
            port["port"]
            for policy in policies
            if selects(policy["podSelector"], own)
            for rule in policy.get(side, [])
            if peers not in rule
            or any(
                "podSelector" in peer
                and "namespaceSelector" not in peer
                and selects(peer["podSelector"], other)
                for peer in rule[peers]
            )
            for port in rule["ports"]
        }

    return {
        (source, target, port)
        for source, mine in components.items()
        for target, theirs in components.items()
        if source != target
        for port in reaches("egress", "to", mine, theirs) & reaches("ingress", "from", theirs, mine)
    }


@pytest.mark.parametrize("clients", [[], [{"namespaceSelector": {}}]], ids=["all", "named"])
def test_only_the_arrows_that_are_needed_are_drawn(clients: list[Manifest]) -> None:
    values = {
        "backup": {"enabled": True},
        "purge": {"enabled": True},
        "telegram": {"existingSecret": "telegram"},
        "networkPolicy": {"clients": clients},
    }
    store = {"api", "worker", "bot", "setup", "backup", "purge", "rehearsal"}
    assert _allowed(tuple(rendered(CLOUD, values))) == {
        ("dashboard", "api", "http"),
        ("rehearsal", "api", "http"),
        *((component, "redis", "redis") for component in store),
    }


def test_everything_is_denied_to_begin_with(scenario: Scenario) -> None:
    policies = of_kind(objects(scenario), "NetworkPolicy")
    if not scenario.values.get("networkPolicy", {}).get("enabled", True):
        assert policies == []
        return
    deny = named(policies, "NetworkPolicy", "default-deny")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in deny
    assert "egress" not in deny
    for _, pod in pods(objects(scenario)):
        labels = pod["metadata"]["labels"]
        assert deny["podSelector"]["matchLabels"].items() <= labels.items()


def test_the_rehearsal_is_what_helm_test_runs() -> None:
    pod = named(_scenario("maskgate", "default"), "Pod", "rehearsal")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["containers"][0]["args"][:3] == [
        "rehearse",
        "--api-url",
        "http://mg-maskgate-api:8000",
    ]


def test_gates_and_the_dashboards_key_are_made_by_steps_that_may_be_repeated() -> None:
    job = named(_scenario("maskgate", "one-node"), "Job", "setup")
    steps = [container["args"] for container in containers(job["spec"]["template"])]
    assert steps == [
        ["gates", "create", "main", "--name", "Main entrance", "--if-missing"],
        [
            *("keys", "add", "Dashboard", "--role", "operator"),
            *("--file", "/run/secrets/dashboard_api_key"),
        ],
    ]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
    assert of_kind(_scenario("maskgate", "external-redis"), "Job") == []


def test_the_commands_of_jobs_are_commands_of_the_cloud() -> None:
    import typer.main

    from cloud.__main__ import app

    root = typer.main.get_command(app)
    for scenario in ("default", "production", "one-node", "keda"):
        for _, pod in pods(_scenario("maskgate", scenario)):
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


# The doors.


def _door(manifests: list[Manifest] | tuple[Manifest, ...], name: str) -> Manifest:
    spec: Manifest = named(manifests, "DaemonSet", name)["spec"]["template"]["spec"]
    return spec


def test_each_door_is_on_its_own_node_with_its_own_settings() -> None:
    manifests = _scenario("maskgate-edge", "several-doors")
    assert len(of_kind(manifests, "DaemonSet")) == 3
    front, back, yard = (_door(manifests, name) for name in ("front", "back", "yard"))
    assert front["nodeSelector"] == {"maskgate.io/door": "front"}
    assert back["nodeSelector"] == {"kubernetes.io/hostname": "pi-back"}
    assert _environment(front["containers"][0])["EDGE_VOTES"] == "5"
    assert _environment(back["containers"][0])["EDGE_VOTES"] == "7"
    assert _environment(yard["containers"][0])["EDGE_SOURCE"] == "rtsp://10.0.0.7/1"
    assert _environment(front["containers"][0])["EDGE_SOUND"] == "false"
    assert front["containers"][0]["resources"]["limits"]["cpu"] == "4"
    assert yard["tolerations"] == [{"operator": "Exists"}]


def test_a_camera_comes_from_a_device_plugin_or_a_typed_path_without_privilege() -> None:
    plugged = _door(_scenario("maskgate-edge", "default"), "main")
    limits = plugged["containers"][0]["resources"]["limits"]
    assert limits["smarter-devices/video0"] == "1"
    assert "hostPath" not in str(plugged["volumes"])
    assert plugged["securityContext"]["supplementalGroups"] == [44]
    typed = _door(_scenario("maskgate-edge", "kubeedge"), "main")
    (camera,) = [volume for volume in typed["volumes"] if volume["name"] == "camera"]
    assert camera["hostPath"] == {"path": "/dev/video0", "type": "CharDevice"}
    assert "smarter-devices" not in str(typed["containers"][0]["resources"])


def test_a_password_of_a_camera_is_in_a_file_alone() -> None:
    back = _door(_scenario("maskgate-edge", "several-doors"), "back")
    assert "EDGE_SOURCE" not in _environment(back["containers"][0])
    assert "{'key': 'back', 'path': 'edge_source'}" in str(back["volumes"])


def test_an_enrolment_code_may_be_gone_once_it_is_used() -> None:
    for scenario in ("several-doors", "kubeedge"):
        for _, pod in pods(_scenario("maskgate-edge", scenario)):
            for volume in pod["spec"]["volumes"]:
                for source in volume.get("projected", {}).get("sources", []):
                    if "secret" not in source:
                        continue
                    (item, *_) = source["secret"]["items"]
                    if item["path"].endswith("edge_enrolment_code"):
                        assert source["secret"]["optional"] is True


def test_nodes_of_one_door_have_a_code_each() -> None:
    door = _door(_scenario("maskgate-edge", "kubeedge"), "main")
    assert _environment(door["containers"][0])["EDGE_SECRETS_DIR"] == "/run/secrets/$(NODE_NAME)"
    assert "{'key': 'pi-2', 'path': 'pi-2/edge_enrolment_code'}" in str(door["volumes"])
    # The edge refuses a folder of secrets that is not there, and a used code may be deleted.
    (folder, _) = next(each for each in door["volumes"] if each["name"] == "secrets")["projected"][
        "sources"
    ]
    assert [item["path"] for item in folder["downwardAPI"]["items"]] == ["pi-1/pod", "pi-2/pod"]


def test_a_door_lives_while_its_node_is_cut_off() -> None:
    door = _door(_scenario("maskgate-edge", "default"), "main")
    borne = {each["key"] for each in door["tolerations"] if each.get("effect") == "NoExecute"}
    assert borne == {"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"}
    (container,) = door["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"
    alive = container["livenessProbe"]["exec"]["command"]
    assert alive == ["python", "/app/probe.py", "http://127.0.0.1:9100/metrics"]
    assert "online" not in str(container["readinessProbe"]), "the cloud may be away"


def test_what_a_door_keeps_outlives_its_release() -> None:
    claim = named(_scenario("maskgate-edge", "default"), "PersistentVolumeClaim", "main")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
