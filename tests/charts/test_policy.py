"""What the restricted Pod Security Standard asks for, and what we ask for beyond.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ (restricted), and for every
container: requests, limits, probes, a pinned image, no token, no shell of the host.
"""

import re
from typing import Any

from tests.charts.rendering import Manifest, Scenario, containers, objects, of_kind, pods

RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
LONG_LIVED = ("Deployment/", "StatefulSet/", "DaemonSet/")
HANDS_OVER = "prepare-state"
"""The one container that is root, where a chart is told to keep state in a folder of the node."""


def test_pods_keep_to_the_restricted_profile(scenario: Scenario) -> None:
    for name, pod in pods(objects(scenario)):
        spec = pod["spec"]
        told = spec["securityContext"]
        assert told["runAsNonRoot"] is True, name
        assert told.get("runAsUser") != 0, name
        assert told["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not spec.get("hostPID"), name
        assert not spec.get("hostIPC"), name
        for container in containers(pod):
            within = container["securityContext"]
            assert within["allowPrivilegeEscalation"] is False, name
            assert within["readOnlyRootFilesystem"] is True, name
            assert within["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert "privileged" not in within, name
            assert within["capabilities"]["drop"] == ["ALL"], name
            if container["name"] == HANDS_OVER:
                assert within["capabilities"]["add"] == ["CHOWN"], name
                assert scenario.values["state"]["kind"] == "hostPath"
                continue
            # The one capability that is allowed there; Caddy's file does not start without it.
            caddy = "/caddy:" in f"/{container['image']}"
            allowed = ["NET_BIND_SERVICE"] if caddy else []
            assert within["capabilities"].get("add", []) == allowed, name
            assert within["runAsNonRoot"] is True, name
            assert within.get("runAsUser") != 0, name
            assert all("hostPort" not in port for port in container.get("ports", [])), name


def test_the_node_is_touched_only_where_a_value_says_so(scenario: Scenario) -> None:
    values = scenario.values
    for name, pod in pods(objects(scenario)):
        assert bool(pod["spec"].get("hostNetwork")) == bool(values.get("hostNetwork")), name
        kinds = {kind for volume in pod["spec"].get("volumes", []) for kind in volume} - {"name"}
        beyond = kinds - RESTRICTED_VOLUMES
        cameras = [door.get("camera", {}) for door in values.get("doors", {}).values() if door]
        asked = values.get("state", {}).get("kind") == "hostPath" or any(
            camera.get("kind") == "device" for camera in cameras
        )
        assert beyond == ({"hostPath"} if asked else set()), name


def test_no_pod_gets_a_token_or_variables_of_services(scenario: Scenario) -> None:
    for name, pod in pods(objects(scenario)):
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["enableServiceLinks"] is False, name
    for account in of_kind(objects(scenario), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    kinds = {manifest["kind"] for manifest in objects(scenario)}
    assert not kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}


def test_images_are_pinned(scenario: Scenario) -> None:
    for name, pod in pods(objects(scenario)):
        for container in containers(pod):
            image = container["image"]
            assert re.search(r"(:v?[0-9][\w.-]*|@sha256:[0-9a-f]{64})$", image), f"{name}: {image}"
            assert not image.endswith(":latest"), name


def test_every_container_says_what_it_needs_and_where_it_stops(scenario: Scenario) -> None:
    for name, pod in pods(objects(scenario)):
        for container in containers(pod):
            needs = container["resources"]
            assert {"cpu", "memory"} <= needs["requests"].keys(), name
            assert "memory" in needs["limits"], name


def test_what_lives_long_has_all_three_probes_and_what_ends_has_a_limit(scenario: Scenario) -> None:
    for name, pod in pods(objects(scenario)):
        if name.startswith(LONG_LIVED):
            for container in pod["spec"]["containers"]:
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    assert container[probe]["timeoutSeconds"] >= 2, f"{name} {probe}"
            assert pod["spec"]["terminationGracePeriodSeconds"] >= 15, name
    for job in [*of_kind(objects(scenario), "Job"), *_jobs_of_crons(scenario)]:
        assert job["spec"]["activeDeadlineSeconds"] > 0


def _jobs_of_crons(scenario: Scenario) -> list[Manifest]:
    return [cron["spec"]["jobTemplate"] for cron in of_kind(objects(scenario), "CronJob")]


def test_no_secret_stands_in_a_variable_or_a_config_map(scenario: Scenario) -> None:
    """Secrets are files: a variable is seen in `kubectl describe`, and inherited by children."""
    for name, pod in pods(objects(scenario)):
        for container in containers(pod):
            for variable in container.get("env", []):
                assert "secretKeyRef" not in str(variable.get("valueFrom")), name
                assert not re.search("TOKEN|PASSWORD|SECRET$|API_KEY$|_CODE$", variable["name"])
            for source in container.get("envFrom", []):
                assert "secretRef" not in source, name
    for config in of_kind(objects(scenario), "ConfigMap"):
        assert not re.search("(?i)password=|token=", str(config["data"]))


def test_names_and_labels_are_kubernetes_own(scenario: Scenario) -> None:
    seen: set[tuple[Any, ...]] = set()
    for manifest in objects(scenario):
        labels = manifest["metadata"]["labels"]
        whole = scenario.values.get("commonLabels", {}).get("app.kubernetes.io/part-of", "maskgate")
        assert labels["app.kubernetes.io/part-of"] == whole
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        name = manifest["metadata"]["name"]
        assert len(name) <= 63
        assert (manifest["kind"], name) not in seen
        seen.add((manifest["kind"], name))
        said = scenario.values.get("namespaceOverride")
        assert manifest["metadata"].get("namespace") == said, "Helm puts it where it is told to"
