"""What an object names, there is: settings, secrets, accounts, volumes, ports, hosts, models' engines."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.checks import rendering
from deploy.checks.rendering import DEPLOY, ENVIRONMENTS, LAYERS, Object
from deploy.checks.workloads import Workload, of_kind, selects, workloads

MADE_BY_CONTROLLERS = {
    "postgres-app": {"username", "password", "uri", "host", "port", "dbname"},  # CloudNativePG's, of the Cluster
    "edge-tls": {"tls.crt", "tls.key"},  # cert-manager's, of the Certificate
}
SERVICES_OF_CONTROLLERS = {"postgres-rw": 5432, "postgres-pooler": 5432}
NAMESPACE = "artemis"


def example_secrets() -> dict[str, set[str]]:
    documents = yaml.safe_load_all((DEPLOY / "secrets.example.yaml").read_text())
    return {one["metadata"]["name"]: set(one["stringData"]) for one in documents if one}


def named(workload: Workload, kind: str) -> Iterator[tuple[str, str | None]]:
    """Names, and keys where one is named, of ConfigMaps ("configMap") or Secrets ("secret")."""
    for container in workload.all_containers:
        for source in container.get("envFrom", []):
            if f"{kind}Ref" in source:
                yield source[f"{kind}Ref"]["name"], None
        for variable in container.get("env", []):
            if one := variable.get("valueFrom", {}).get(f"{kind}KeyRef"):
                yield one["name"], one["key"]
    for volume in workload.spec.get("volumes", []):
        if kind in volume:
            yield volume[kind]["secretName" if kind == "secret" else "name"], None


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_settings_and_secrets(environment: str) -> None:
    maps = of_kind(rendering.overlay(environment), "ConfigMap")
    secrets = example_secrets() | MADE_BY_CONTROLLERS
    used = set()
    for workload in workloads(rendering.overlay(environment)):
        for name, key in named(workload, "configMap"):
            assert name in maps, workload
            assert key is None or key in maps[name]["data"]
            used.add(name)
        for name, key in named(workload, "secret"):
            assert name in secrets, workload
            assert key is None or key in secrets[name]
            used.add(name)
    used |= {name for name, one in maps.items() if "grafana_dashboard" in one["metadata"].get("labels", {})}
    assert used == {*maps, *secrets}, "all are used"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_certificates_and_clusters_make_those_secrets(environment: str) -> None:
    objects = rendering.overlay(environment)
    assert [one["spec"]["secretName"] for one in of_kind(objects, "Certificate").values()] == ["edge-tls"]
    (cluster,) = of_kind(objects, "Cluster").values()
    assert cluster["metadata"]["name"] == "postgres"
    initial = cluster["spec"]["bootstrap"]["initdb"]
    assert (initial["owner"], initial["database"]) == ("artemis", "artemis")
    (pooler,) = of_kind(objects, "Pooler").values()
    assert (pooler["metadata"]["name"], pooler["spec"]["cluster"]["name"]) == ("postgres-pooler", "postgres")
    for certificate in of_kind(objects, "Certificate").values():
        assert certificate["spec"]["issuerRef"]["name"] in of_kind(objects, "Issuer")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_accounts_and_volumes(environment: str) -> None:
    objects = rendering.overlay(environment)
    accounts, claims = of_kind(objects, "ServiceAccount"), of_kind(objects, "PersistentVolumeClaim")
    used = set()
    for workload in workloads(objects):
        account = workload.spec["serviceAccountName"]
        assert accounts[account]["automountServiceAccountToken"] is False
        used.add(account)
        volumes = {volume["name"] for volume in workload.spec.get("volumes", [])}
        volumes |= {one["metadata"]["name"] for one in workload.whole["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for one in workload.all_containers for mount in one.get("volumeMounts", [])}
        assert mounted == volumes, workload
        for volume in workload.spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
    assert used == set(accounts)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_services_find_pods_and_their_ports(environment: str) -> None:
    objects = rendering.overlay(environment)
    for name, service in of_kind(objects, "Service").items():
        if name == "acme-solver":
            continue  # cert-manager's pods, on its port
        found = [one for one in workloads(objects) if selects({"matchLabels": service["spec"]["selector"]}, one.labels)]
        assert len(found) == 1, name
        ports = {port["name"] for one in found[0].containers for port in one["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for workload in workloads(objects):
        if workload.kind == "StatefulSet":
            assert workload.whole["spec"]["serviceName"] in of_kind(objects, "Service")
        for container in workload.containers:
            own = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for action in ("httpGet", "tcpSocket"):
                    port = container.get(probe, {}).get(action, {}).get("port")
                    assert port is None or port in own, (workload.name, probe)


def addresses(objects: list[Object]) -> Iterator[tuple[str, int]]:
    """Hosts in the namespace to which something is told to connect."""
    texts = [str(value) for one in of_kind(objects, "ConfigMap").values() for value in one["data"].values()]
    for workload in workloads(objects):
        texts += [
            str(one["value"]) for part in workload.all_containers for one in part.get("env", []) if "value" in one
        ]
    for text in texts:
        for host, port in re.findall(r"(?:^|[@,]|//)([a-z][a-z0-9.-]*):(\d{4,5})\b", text):
            yield host, int(port)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_hosts_exist(environment: str) -> None:
    objects = rendering.overlay(environment)
    services = of_kind(objects, "Service")
    known = {(name, port["port"]) for name, one in services.items() for port in one["spec"]["ports"]}
    known |= set(SERVICES_OF_CONTROLLERS.items())
    for workload in workloads(objects):
        if workload.kind == "StatefulSet":
            service = services[workload.whole["spec"]["serviceName"]]
            if service["spec"].get("clusterIP") == "None":
                port = service["spec"]["ports"][0]["port"]
                name = service["metadata"]["name"]
                known |= {(f"{workload.name}-{number}.{name}", port) for number in range(workload.replicas)}
    found = {(host.removesuffix(f".{NAMESPACE}.svc"), port) for host, port in addresses(objects)}
    assert len(found) >= 6
    assert found <= known


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_engine_is_on_offer(environment: str) -> None:
    """Each pod of an engine is a deployment in models.yaml, under the name by which the engine serves its model."""
    objects = rendering.overlay(environment)
    (models,) = [one for name, one in of_kind(objects, "ConfigMap").items() if name.startswith("migration-models")]
    catalog = yaml.safe_load(models["data"]["models.yaml"])
    offered: dict[str, list[str]] = {}
    for entry in catalog["model_list"]:
        if base := entry["litellm_params"].get("api_base"):
            offered.setdefault(urlsplit(base).hostname or "", []).append(entry["litellm_params"]["model"])
    expected = 0
    for workload in workloads(objects):
        if workload.labels["app.kubernetes.io/component"] != "engine":
            continue
        (container,) = workload.containers
        served = [one.partition("=")[2] for one in container["args"] if one.startswith("--served-model-name=")]
        hosts = [f"{workload.name}.artemis.svc"]
        if workload.name.startswith("vllm"):
            hosts = [f"{workload.name}-{number}.{workload.name}.artemis.svc" for number in range(workload.replicas)]
        for host in hosts:
            expected += 1
            assert len(offered[host]) == 1
            if served:
                assert offered[host] == [f"hosted_vllm/{served[0]}"]
    assert len(offered) == expected


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_is_in_the_namespace(environment: str) -> None:
    for layer in LAYERS:
        for thing in rendering.overlay(environment, layer):
            if thing["kind"] in ("Namespace", "PriorityClass"):
                assert layer == "common"
            else:
                assert thing["metadata"]["namespace"] == NAMESPACE, rendering.name_of(thing)
