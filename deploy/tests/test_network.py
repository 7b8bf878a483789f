"""Who may speak to whom, asked of the rendered policies: everything that is not in the table is refused."""

import itertools
from collections.abc import Iterable

import pytest

from deploy.checks import rendering
from deploy.checks.network import Address, End, Network, Pod
from deploy.checks.rendering import ENVIRONMENTS
from deploy.checks.workloads import workloads
from deploy.tests.test_workloads import everything

OUTSIDE = {
    "dns": Pod({"k8s-app": "kube-dns"}, "kube-system"),
    "prometheus": Pod({"app.kubernetes.io/name": "prometheus"}, "monitoring"),
    "grafana": Pod({"app.kubernetes.io/name": "grafana"}, "monitoring"),
    "cnpg-operator": Pod({"app.kubernetes.io/name": "cloudnative-pg"}, "cnpg-system"),
    "stranger": Pod({"app.kubernetes.io/name": "gateway", "app.kubernetes.io/component": "web"}, "default"),
    "internet": Address("93.184.216.34"),
    "internet-6": Address("2606:2800:220:1::1"),
    "neighbour": Address("192.168.1.20"),
    "cluster": Address("10.43.0.1"),
    "metadata": Address("169.254.169.254"),
    "local-6": Address("fd00::1"),
}
CONTROLLED = {
    "postgres": Pod({"cnpg.io/cluster": "postgres", "cnpg.io/podRole": "instance"}),
    "postgres-job": Pod({"cnpg.io/cluster": "postgres", "cnpg.io/jobRole": "initdb"}),
    "pooler": Pod({"cnpg.io/poolerName": "postgres-pooler", "app.kubernetes.io/name": "postgres-pooler"}),
    "acme": Pod({"acme.cert-manager.io/http01-solver": "true"}),
}
"""Pods that controllers make, with the labels that they give them."""
PORTS = (53, 80, 443, 5432, 6379, 6443, 8000, 8001, 8002, 8080, 8089, 8443, 9127, 9187)
ENGINES = ("vllm-qwen3-4b", "embeddings", "llamacpp")
PLATFORM = ("gateway", "portal", "worker", "beat")
CALLS_OUT = ("gateway", "portal", "worker")


def ends(environment: str) -> dict[str, End]:
    own: dict[str, End] = {one.name: Pod(one.labels) for one in workloads(rendering.overlay(environment))}
    if environment == "development":
        own |= {name: pod for name, pod in CONTROLLED.items() if name != "acme"}
    else:
        own |= CONTROLLED
    return own | OUTSIDE


def table(environment: str) -> set[tuple[str, str, int]]:
    """Who, to whom, on which port."""
    big = environment != "development"
    scraped = ("prometheus",) if big else ()
    fetching = ("vllm-qwen3-4b", "embeddings") if big else ()  # weights
    controlled = ("postgres", "postgres-job", "pooler")
    public = ("internet", "internet-6")
    addresses = tuple(name for name, end in OUTSIDE.items() if isinstance(end, Address))
    rows: list[tuple[Iterable[str], Iterable[str], Iterable[int]]] = [
        (set(ends(environment)) - set(OUTSIDE), ("dns",), (53,)),
        (OUTSIDE, ("edge",), (8080, 8443)),
        (("edge", *scraped), ("gateway", "portal"), (8000,)),
        (scraped, ("edge",), (8002,)),
        ((*CALLS_OUT, *scraped), ENGINES, (8000,)),
        (scraped, ("worker",), (8001,)),
        (CALLS_OUT, public, (80, 443, 8443)),
        (fetching, public, (443,)),
        (("gateway", "portal", "beat"), ("pooler",), (5432,)),
        (("pooler", "worker", "migration-job", "postgres", "postgres-job", "cnpg-operator"), ("postgres",), (5432,)),
        (("postgres", "cnpg-operator"), ("postgres",), (8000,)),
        (controlled, addresses, (443, 6443)),  # Kubernetes' API, whose address only who runs the cluster knows; backups
        ((*PLATFORM, "migration-job"), ("redis",), (6379,)),
        (("edge",), ("acme",), (8089,)),
        (("grafana",), ("postgres",) if big else (), (5432,)),
        (("prometheus",), ("pooler",), (9127,)),
        (("prometheus",), ("postgres",), (9187,)),
    ]
    return {found for row in rows for found in itertools.product(*row)}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_table(environment: str) -> None:
    network = Network.of(rendering.overlay(environment))
    known, allowed = ends(environment), table(environment)
    wrong = []
    for (source, one), (target, other), port in itertools.product(known.items(), known.items(), PORTS):
        if source == target and source != "postgres":
            continue
        if source in OUTSIDE and target in OUTSIDE:
            continue  # not ours to say
        if target in OUTSIDE and isinstance(other, Pod) and port in (443, 6443):
            continue  # no rule names them; what may go anywhere on these ports is asked of addresses
        protocol = "UDP" if port == 53 else "TCP"
        if network.allows(one, other, port, protocol) != ((source, target, port) in allowed):
            wrong.append((source, target, port))
    assert wrong == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_end_keeps_its_own_door(environment: str) -> None:
    """Nobody is let in whom only their own bounds keep away."""
    network = Network.of(rendering.overlay(environment))
    known, allowed = ends(environment), table(environment)
    own = {name: end for name, end in known.items() if name not in OUTSIDE}
    wrong = [
        (source, target, port)
        for (source, one), (target, other), port in itertools.product(own.items(), own.items(), PORTS)
        if network.lets_in(one, other, port) and (source, target, port) not in allowed
    ]
    # Callers come from anywhere; instances let in those that are about to become one.
    assert {one for one in wrong if one[1] != "edge"} == {("postgres-job", "postgres", 8000)}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_without_a_policy_it_shows(environment: str) -> None:
    """Each policy but the default is needed: without it the table is another."""
    objects = rendering.overlay(environment)
    policies = [one for one in objects if one["kind"] == "NetworkPolicy"]
    whole = answers(environment, Network(policies))
    for policy in policies:
        rest = answers(environment, Network([one for one in policies if one is not policy]))
        assert rest != whole, policy["metadata"]["name"]


def answers(environment: str, network: Network) -> list[bool]:
    known = ends(environment).values()
    return [
        network.allows(one, other, port, "UDP" if port == 53 else "TCP")
        for one, other, port in itertools.product(known, known, PORTS)
    ]


def test_a_database_elsewhere() -> None:
    folder = rendering.DEPLOY / "tests" / "kustomize" / "external"
    values = rendering.settings("production") | {"postgres_network": "10.9.0.0/24", "redis_network": "10.9.1.7/32"}
    objects = rendering.substituted(rendering.text(folder), values)
    network = Network.of(objects)
    pods = {one.name: Pod(one.labels) for one in workloads(objects)}
    assert set(pods) == {*PLATFORM, "migration-job"}
    for pod in pods.values():
        assert network.allows(pod, Address("10.9.0.5"), 5432)
        assert network.allows(pod, Address("10.9.1.7"), 6379)
        assert not network.allows(pod, Address("10.9.1.8"), 6379)
        assert not network.allows(pod, Address("10.9.0.5"), 6379)
        assert not network.allows(pod, Address("10.9.2.5"), 5432)


def test_litellms_proxy_is_an_engine() -> None:
    network, pods = Network.of(everything("production")), workloads(everything("production"))
    known = {one.name: Pod(one.labels) for one in pods} | OUTSIDE
    for source in ("gateway", "portal", "worker", "prometheus"):
        assert network.allows(known[source], known["litellm"], 8000), source
    for source in ("edge", "beat", "migration-job", "redis", "vllm-qwen3-4b", "internet", "stranger"):
        assert not network.allows(known[source], known["litellm"], 8000), source
    assert network.allows(known["litellm"], known["internet"], 443)
    for target in ("neighbour", "cluster", "metadata", "gateway", "redis"):
        assert not network.allows(known["litellm"], known[target], 443), target


POLICY = {
    "kind": "NetworkPolicy",
    "metadata": {"name": "a", "namespace": "artemis"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "a"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "b"}}}], "ports": [{"port": 1}]}],
    },
}


def test_the_evaluator_itself() -> None:
    network, a, b = Network([POLICY]), Pod({"app": "a"}), Pod({"app": "b"})
    assert network.allows(b, a, 1)
    assert not network.allows(b, a, 2)
    assert not network.allows(b, a, 1, "UDP")
    assert not network.allows(Pod({"app": "c"}), a, 1)
    assert not network.allows(Pod({"app": "b"}, "elsewhere"), a, 1)  # a podSelector alone is of the policy's namespace
    assert not network.allows(Address("10.0.0.1"), a, 1)
    assert network.allows(a, b, 2)  # nothing selects b, nor a for what it sends


def test_traces_leave_for_the_collector_alone() -> None:
    folder = rendering.DEPLOY / "tests" / "kustomize" / "tracing"
    objects = rendering.substituted(rendering.text(folder), rendering.settings("production"))
    network = Network.of([*everything("production"), *objects])
    collector = Pod({"app.kubernetes.io/name": "opentelemetry-collector"}, "monitoring")
    other = Pod({"app.kubernetes.io/name": "prometheus"}, "monitoring")
    pods = {one.name: Pod(one.labels) for one in workloads(everything("production"))}
    for name, pod in pods.items():
        assert network.allows(pod, collector, 4318) == (name in CALLS_OUT), name
        assert not network.allows(pod, other, 4318)
        assert not network.allows(pod, collector, 4317)
    (settings,) = [one for one in objects if one["kind"] == "ConfigMap" and "PUBLIC_URL" in one["data"]]
    assert settings["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://opentelemetry-collector.monitoring.svc:4318"
