"""One node without a cluster: Podman runs the pods that a chart gives, as the chart gives them.

`podman kube play` takes pods, their security contexts, limits, init containers and host aliases.
What a kubelet does besides is done here: Secrets and ConfigMaps are laid out as files for the
pod's group, claims and empty volumes are folders that it owns, probes are asked as Kubernetes asks
them, and each Service is a fixed address that pods find in their hosts file. Podman 4.3 or newer.
"""

import atexit
import base64
import copy
import functools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, Self

import httpx
import yaml

Manifest = dict[str, Any]

NODE: Final = "node-1"
NETWORK: Final = "maskgate-charts"
SUBNET: Final = IPv4Network("10.97.53.0/24")
GATEWAY: Final = str(SUBNET[1])

# As few as a container within a container may ask for.
CONTAINERS_CONF: Final = (
    '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=1024:1024"]\n'
)


class NodeError(Exception):
    """Podman did not do as told; the text has what it said."""


@functools.cache
def _conf() -> str:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "containers.conf").write_text(CONTAINERS_CONF)
    return str(folder / "containers.conf")


def podman(
    *arguments: str, check: bool = True, timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run podman; raise NodeError with what it said where it fails and `check` is set."""
    runtime = ["--runtime", "runc"] if shutil.which("runc") else []
    done = subprocess.run(
        ["podman", *runtime, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "CONTAINERS_CONF": _conf()},
    )
    if check and done.returncode:
        raise NodeError(f"podman {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done


@dataclass
class Pod:
    """A pod that was started, with the probes of its first container."""

    name: str
    address: str
    manifest: Manifest
    node: "Node"

    @property
    def container(self) -> Manifest:
        found: Manifest = self.manifest["spec"]["containers"][0]
        return found

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the pod's first container."""
        return podman("exec", f"{self.name}-{self.container['name']}", *command, check=False)

    def answers(self, probe: str) -> bool:
        """Ask a probe once, as a kubelet would: from the node, or by a command in the container."""
        asked = self.container[probe]
        if "exec" in asked:
            command = [self.node.expanded(word) for word in asked["exec"]["command"]]
            return self.exec(*command).returncode == 0
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        get = asked["httpGet"]
        headers = {each["name"]: each["value"] for each in get.get("httpHeaders", [])}
        address = f"http://{self.address}:{ports.get(get['port'], get['port'])}{get['path']}"
        try:
            answer = httpx.get(address, headers=headers, timeout=asked["timeoutSeconds"])
        except httpx.TransportError:
            return False
        return 200 <= answer.status_code < 400

    def wait(self, probe: str = "readinessProbe", timeout_s: float = 120) -> float:
        """Return once a probe is answered, with the seconds that took."""
        began = time.monotonic()
        while not self.answers(probe):
            if time.monotonic() - began > timeout_s:
                raise NodeError(f"{self.name}: {probe} is not answered\n{self.log()}")
            time.sleep(0.3)
        return time.monotonic() - began

    def log(self) -> str:
        """Return what its containers have written."""
        names = [
            f"{self.name}-{container['name']}"
            for container in (
                *self.manifest["spec"].get("initContainers", []),
                *self.manifest["spec"]["containers"],
            )
        ]
        said = [podman("logs", name, check=False) for name in names]
        return "\n".join(f"{each.stdout}{each.stderr}" for each in said)

    def exit_code(self, timeout_s: float = 180) -> int:
        """Wait for a pod that ends by itself, and return what its container ended with."""
        name = f"{self.name}-{self.container['name']}"
        done = podman("wait", name, timeout_s=timeout_s)
        return int(done.stdout.strip())

    def stop(self) -> None:
        """End it as a kubelet would: SIGTERM, and SIGKILL after its grace."""
        grace = self.manifest["spec"].get("terminationGracePeriodSeconds", 30)
        podman("pod", "stop", "--time", str(grace), self.name, timeout_s=grace + 60)

    def start(self) -> None:
        """Start it again after a stop."""
        podman("pod", "start", self.name)

    def inspected(self) -> Manifest:
        """Return what Podman knows of its first container."""
        name = f"{self.name}-{self.container['name']}"
        found: Manifest = json.loads(podman("inspect", name).stdout)[0]
        return found


@dataclass
class Node:
    """A context manager: what it starts is gone at its end.

    Attributes:
        folder: Where volumes lie.
        objects: What the charts gave: pods' Secrets, ConfigMaps and Services are looked up there.
        secrets: What people would have made by hand: name to keys and texts.
        claims: Folders that claims stand for; others are made.
    """

    folder: Path
    objects: list[Manifest]
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    claims: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        services = [each for each in self.objects if each["kind"] == "Service"]
        self._addresses = {
            service["metadata"]["name"]: str(SUBNET[10 + index])
            for index, service in enumerate(services)
        }
        self._services = {service["metadata"]["name"]: service for service in services}
        self._others = iter(range(100, 250))
        self._pods: list[Pod] = []

    def __enter__(self) -> Self:
        podman("network", "rm", "--force", NETWORK, check=False)
        podman(*("network", "create", "--subnet", str(SUBNET), "--gateway", GATEWAY, NETWORK))
        return self

    def __exit__(self, *_: object) -> None:
        for pod in reversed(self._pods):
            podman("pod", "rm", "--force", "--time", "5", pod.name, check=False)
        podman("network", "rm", "--force", NETWORK, check=False)

    def play(self, kind: str, name: str) -> Pod:
        """Start one pod of the workload whose name ends so."""
        (workload,) = [
            each
            for each in self.objects
            if each["kind"] == kind and each["metadata"]["name"].endswith(f"-{name}")
        ]
        full = workload["metadata"]["name"]
        template = workload if kind == "Pod" else workload["spec"]["template"]
        claimed = workload["spec"].get("volumeClaimTemplates", [])
        manifest = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
        manifest["metadata"] = {
            "name": full,
            "labels": template["metadata"]["labels"],
            # Podman 4.3 may otherwise try to remove an init container before it has ended.
            "annotations": {"io.podman.annotations.init.container.type": "always"},
        }
        pod = Pod(full, self._address_of(manifest), copy.deepcopy(manifest), self)
        self._make_playable(manifest, claimed)
        file = self.folder / f"{full}.yaml"
        file.write_text(yaml.safe_dump(manifest))
        self._pods.append(pod)
        podman("kube", "play", "--network", NETWORK, "--ip", pod.address, str(file))
        return pod

    def pod(self, name: str) -> Pod:
        """Return the pod that was last started of the workload whose name ends so."""
        return next(each for each in reversed(self._pods) if each.name.endswith(f"-{name}"))

    def expanded(self, text: str) -> str:
        """Put the node's name where a pod asks for it."""
        return text.replace("$(NODE_NAME)", NODE)

    def _address_of(self, manifest: Manifest) -> str:
        labels = manifest["metadata"]["labels"]
        for name, service in self._services.items():
            if service["spec"]["selector"].items() <= labels.items():
                return self._addresses[name]
        return str(SUBNET[next(self._others)])

    def _make_playable(self, manifest: Manifest, claimed: list[Manifest]) -> None:
        spec = manifest["spec"]
        spec["hostAliases"] = [
            *spec.get("hostAliases", []),
            *({"ip": ip, "hostnames": [name]} for name, ip in self._addresses.items()),
        ]
        # A kubelet's work, or a scheduler's; Podman would publish ports on this machine.
        for foreign in ("serviceAccountName", "nodeSelector", "tolerations", "affinity"):
            spec.pop(foreign, None)
        spec.pop("topologySpreadConstraints", None)
        # What has ended stays so until a test starts it again.
        spec["restartPolicy"] = "Never"
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            for foreign in (
                "ports",
                "startupProbe",
                "livenessProbe",
                "readinessProbe",
                "lifecycle",
            ):
                container.pop(foreign, None)
            variables = self._variables(container, manifest["metadata"]["name"])
            container["env"] = [{"name": name, "value": value} for name, value in variables.items()]
        group = spec["securityContext"].get("fsGroup", 0)
        volumes = [
            *spec.get("volumes", []),
            *(
                {
                    "name": each["metadata"]["name"],
                    "persistentVolumeClaim": {
                        "claimName": f"{each['metadata']['name']}-{manifest['metadata']['name']}"
                    },
                }
                for each in claimed
            ),
        ]
        spec["volumes"] = [
            volume
            if "hostPath" in volume
            else {
                "name": volume["name"],
                "hostPath": {
                    "path": str(self._laid_out(manifest["metadata"]["name"], volume, group)),
                    "type": "Directory",
                },
            }
            for volume in volumes
        ]

    def _variables(self, container: Manifest, pod: str) -> dict[str, str]:
        """Take the container's envFrom away, and return its variables; the later win."""
        variables: dict[str, str] = {}
        for source in container.pop("envFrom", []):
            for name, text in self._named(source, "secretRef", "configMapRef").items():
                variables[source.get("prefix", "") + name] = text
        fields = {
            "spec.nodeName": NODE,
            "metadata.name": pod,
            "metadata.namespace": "default",
        }
        for each in container.get("env", []):
            source = each.get("valueFrom", {})
            if "fieldRef" in source:
                variables[each["name"]] = fields[source["fieldRef"]["fieldPath"]]
            elif source:
                (told,) = source.values()
                held = self._named(source, "secretKeyRef", "configMapKeyRef")
                if told["key"] in held:
                    variables[each["name"]] = held[told["key"]]
                elif not told.get("optional"):
                    raise NodeError(f"{each['name']}: {told['name']} has no key {told['key']}")
            else:
                variables[each["name"]] = self.expanded(each.get("value", ""))
        return variables

    def _named(self, source: Manifest, secret: str, config: str) -> dict[str, str]:
        """Return what the Secret or the ConfigMap that a variable's source names holds."""
        if secret not in source:
            return self._config(source[config]["name"])
        held = self._secret(source[secret]["name"])
        if held is None and not source[secret].get("optional"):
            raise NodeError(f"there is no Secret for {source}")
        return {name: text.decode() for name, text in (held or {}).items()}

    def _laid_out(self, pod: str, volume: Manifest, group: int) -> Path:
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim in self.claims:
            return self.claims[claim]
        folder = self.folder / "volumes" / (claim or f"{pod}-{volume['name']}")
        folder.mkdir(parents=True, exist_ok=True)
        files = self._files(volume)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.chown(path, 0, group)
            path.chmod(0o440)
        os.chown(folder, 0, group)
        folder.chmod(0o750 if files else 0o2770)
        return folder

    def _files(self, volume: Manifest) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        for source in volume.get("projected", {}).get("sources") or [volume]:
            if "secret" in source:
                told = source["secret"]
                held = self._secret(told.get("name") or told["secretName"])
                if held is None and told.get("optional"):
                    continue
                if held is None:
                    raise NodeError(f"there is no Secret for {told}")
            elif "configMap" in source:
                told = source["configMap"]
                held = {key: text.encode() for key, text in self._config(told["name"]).items()}
            else:
                continue
            items = told.get("items") or [{"key": key, "path": key} for key in held]
            for item in items:
                if item["key"] in held:
                    files[item["path"]] = held[item["key"]]
                elif not told.get("optional"):
                    raise NodeError(f"{told} asks for the key {item['key']}, which is not there")
        return files

    def _secret(self, name: str) -> dict[str, bytes] | None:
        if name in self.secrets:
            return {key: text.encode() for key, text in self.secrets[name].items()}
        for each in self.objects:
            if each["kind"] == "Secret" and each["metadata"]["name"] == name:
                return {key: base64.b64decode(text) for key, text in each["data"].items()}
        return None

    def _config(self, name: str) -> dict[str, str]:
        (config,) = [
            each
            for each in self.objects
            if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name
        ]
        held: dict[str, str] = config["data"] or {}
        return held


def until(holds: Callable[[], bool], what: str, timeout_s: float = 90) -> None:
    """Return once `holds`; fail with `what` did not happen."""
    give_up = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.3)
