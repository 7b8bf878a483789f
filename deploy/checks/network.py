"""Answers, from NetworkPolicies as they are rendered, whether one end may open a connection to another.

As Kubernetes says it: a pod that no policy selects for a direction is open in that direction; one that is selected may
do what any of those policies allows; both ends must allow it.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.checks.rendering import Object
from deploy.checks.workloads import selects


@dataclass(frozen=True)
class Pod:
    labels: Mapping[str, str]
    namespace: str = "artemis"


@dataclass(frozen=True)
class Address:
    """An end that is no pod: somewhere on the internet, a node, Kubernetes' API."""

    ip: str


End = Pod | Address


@dataclass(frozen=True)
class Network:
    policies: list[Object] = field(default_factory=list)

    @classmethod
    def of(cls, objects: Iterable[Object]) -> "Network":
        return cls([one for one in objects if one["kind"] == "NetworkPolicy"])

    def allows(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        return self._one_way("Egress", source, target, port, protocol) and self.lets_in(source, target, port, protocol)

    def lets_in(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """The target's side alone."""
        return self._one_way("Ingress", target, source, port, protocol)

    def isolates(self, pod: Pod, direction: str) -> bool:
        return bool(self._selecting(pod, direction))

    def _one_way(self, direction: str, here: End, there: End, port: int, protocol: str) -> bool:
        if isinstance(here, Address):
            return True
        selecting = self._selecting(here, direction)
        if not selecting:
            return True
        return any(
            _port_fits(rule, port, protocol) and _peer_fits(rule, direction, there, policy["metadata"]["namespace"])
            for policy in selecting
            for rule in policy["spec"].get(direction.lower(), [])
        )

    def _selecting(self, pod: Pod, direction: str) -> list[Object]:
        return [
            policy
            for policy in self.policies
            if policy["metadata"]["namespace"] == pod.namespace
            and direction in policy["spec"]["policyTypes"]
            and selects(policy["spec"]["podSelector"], dict(pod.labels))
        ]


def _port_fits(rule: dict[str, Any], port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(one["port"] == port and one.get("protocol", "TCP") == protocol for one in ports)


def _peer_fits(rule: dict[str, Any], direction: str, end: End, home: str) -> bool:
    peers = rule.get("to" if direction == "Egress" else "from")
    return not peers or any(_is_peer(peer, end, home) for peer in peers)


def _is_peer(peer: dict[str, Any], end: End, home: str) -> bool:
    if isinstance(end, Address):
        return "ipBlock" in peer and _in_block(peer["ipBlock"], end.ip)
    if "ipBlock" in peer:
        return False  # a pod's address is the cluster's to give; no policy here names pods by address
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace}):
            return False
    elif end.namespace != home:
        return False
    return selects(peer.get("podSelector", {}), dict(end.labels))


def _in_block(block: dict[str, Any], ip: str) -> bool:
    address = ipaddress.ip_address(ip)

    def within(network: str) -> bool:
        parsed = ipaddress.ip_network(network)
        return parsed.version == address.version and address in parsed

    return within(block["cidr"]) and not any(within(one) for one in block.get("except", []))
