"""The network that a chart's policies make: who reaches whom, decided as Kubernetes decides it.

https://kubernetes.io/docs/concepts/services-networking/network-policies/: a pod that no policy of a
direction selects is open in that direction; otherwise something must allow what it does. Both ends
have to allow it.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.charts.rendering import NAMESPACE, Manifest, containers, of_kind, pods

NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Place:
    """A pod of any namespace, or what is at an address outside of the cluster."""

    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str | None = None


def pod(namespace: str, **labels: str) -> Place:
    """Return a pod that no chart of ours made."""
    return Place(namespace, labels)


def outside(address: str) -> Place:
    """Return what is at an address outside of the cluster."""
    return Place(address=address)


@dataclass(frozen=True)
class Network:
    """The policies of some objects, and the pods that they select.

    Args:
        manifests: what one release or several gave.
        namespace: where they are.
    """

    manifests: Sequence[Manifest]
    namespace: str = NAMESPACE

    def component(self, name: str, release: str = "mg") -> Place:
        """Return the pod of a component of a release."""
        for _, template in pods(list(self.manifests)):
            labels = template["metadata"]["labels"]
            wanted = {"component": name, "instance": release}
            if all(labels[f"app.kubernetes.io/{key}"] == value for key, value in wanted.items()):
                ports = {
                    port["name"]: port["containerPort"]
                    for container in containers(template)
                    for port in container.get("ports", [])
                }
                return Place(self.namespace, labels, ports)
        raise LookupError(name)

    def components(self, release: str = "mg") -> list[str]:
        """Return the names of a release's components that have pods."""
        told = [each["metadata"]["labels"] for _, each in pods(list(self.manifests))]
        return sorted(
            {
                labels["app.kubernetes.io/component"]
                for labels in told
                if labels["app.kubernetes.io/instance"] == release
            }
        )

    def reaches(self, source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
        """Return whether a connection from one to the other is let through at both ends."""
        ends = (("Egress", "to", source, target), ("Ingress", "from", target, source))
        return all(
            self._lets(direction, peers, own, other, target, (port, protocol))
            for direction, peers, own, other in ends
        )

    def _lets(
        self,
        direction: str,
        peers: str,
        own: Place,
        other: Place,
        target: Place,
        asked: tuple[int, str],
    ) -> bool:
        if own.namespace != self.namespace:
            return True
        policies = [
            policy["spec"]
            for policy in of_kind(list(self.manifests), "NetworkPolicy")
            if direction in policy["spec"]["policyTypes"]
            and _selects(policy["spec"]["podSelector"], own.labels)
        ]
        rules = [rule for policy in policies for rule in policy.get(direction.lower(), [])]
        return not policies or any(
            _at_port(rule, target, asked)
            and (not rule.get(peers) or any(self._is(peer, other) for peer in rule[peers]))
            for rule in rules
        )

    def _is(self, peer: Manifest, place: Place) -> bool:
        if "ipBlock" in peer:
            return place.address is not None and _within(peer["ipBlock"], place.address)
        if place.namespace is None:
            return False
        if "namespaceSelector" in peer:
            if not _selects(peer["namespaceSelector"], {NAME: place.namespace}):
                return False
        elif place.namespace != self.namespace:
            return False
        return _selects(peer.get("podSelector", {}), place.labels)


def _at_port(rule: Manifest, target: Place, asked: tuple[int, str]) -> bool:
    number, protocol = asked
    return "ports" not in rule or any(
        each.get("protocol", "TCP") == protocol
        and target.ports.get(each["port"], each["port"]) == number
        for each in rule["ports"]
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    among = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in among), "teach the double this operator"
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        labels.get(each["key"]) in each["values"] for each in among
    )


def _within(block: Mapping[str, Any], address: str) -> bool:
    known = ipaddress.ip_address(address)
    whole = ipaddress.ip_network(block["cidr"])
    holes = [ipaddress.ip_network(each) for each in block.get("except", [])]
    for hole in holes:
        assert hole.version == whole.version, f"Kubernetes refuses {hole} in {whole}"
        assert hole != whole, f"Kubernetes refuses {hole} in {whole}"
    return known in whole and not any(known in hole for hole in holes)
