"""Every overlay builds, whole and layer by layer, and every object in it is one that its API would take."""

import copy
from pathlib import Path

import pytest

from deploy.checks import rendering, schemas
from deploy.checks.rendering import ENVIRONMENTS, LAYERS, SHARED, name_of
from deploy.checks.workloads import of_kind

PARTS = [
    *((environment, "overlays", layer) for environment in ENVIRONMENTS for layer in ("", *LAYERS)),
    *((environment, "flux", "") for environment in ENVIRONMENTS),
    *((environment, "shared", folder) for environment in ENVIRONMENTS for folder in SHARED),
]


def objects(environment: str, kind: str, part: str) -> list[rendering.Object]:
    if kind == "overlays":
        return rendering.overlay(environment, part)
    return rendering.flux(environment) if kind == "flux" else rendering.shared(environment, part)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: "-".join(filter(None, part)))
def test_builds_and_validates(part: tuple[str, str, str]) -> None:
    found = objects(*part)
    assert found
    assert [complaint for thing in found for complaint in schemas.complaints(thing)] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_layers_are_the_whole(environment: str) -> None:
    """Nothing is applied twice, and nothing only when all is built at once."""
    layers = [name_of(thing) for layer in LAYERS for thing in rendering.overlay(environment, layer)]
    assert sorted(layers) == sorted(name_of(thing) for thing in rendering.overlay(environment))
    assert len(layers) == len(set(layers))


def test_validation_can_fail() -> None:
    """Of every kind that is used: a field that its API does not know, a wrong type, and a kind without a schema."""
    seen = {}
    for part in PARTS:
        for thing in objects(*part):
            seen.setdefault((thing["apiVersion"], thing["kind"]), thing)
    assert len(seen) > 25
    for thing in seen.values():
        wrong = copy.deepcopy(thing)
        inner = wrong.get("spec", wrong)
        inner["noSuchField"] = 1
        assert any("noSuchField" in complaint for complaint in schemas.complaints(wrong)), name_of(thing)
    unknown = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}}
    assert list(schemas.complaints(unknown)) == ["Thing/a: deploy/schemas knows no example.com/v1 Thing"]


def test_a_complaint_says_where() -> None:
    (thing,) = [one for one in rendering.flux("production") if name_of(one) == "Kustomization/secrets"]
    wrong = copy.deepcopy(thing)
    wrong["spec"]["decryption"]["provider"] = "rot13"
    assert list(schemas.complaints(wrong)) == [
        "Kustomization/secrets: spec.decryption.provider: 'rot13' is not one of ['sops']"
    ]


def test_a_setting_without_a_value_is_an_error() -> None:
    with pytest.raises(rendering.RenderingError, match="nowhere"):
        rendering.substituted("a: ${nowhere}", {})


MORE = {"postgres_network": "10.9.0.0/24", "redis_network": "10.9.1.7/32"}
"""Settings of what no overlay takes."""
EXAMPLES = sorted(path for path in (rendering.DEPLOY / "tests" / "kustomize").iterdir())


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_what_no_overlay_takes_validates(folder: Path) -> None:
    objects = rendering.substituted(rendering.text(folder), rendering.settings("production") | MORE)
    assert [complaint for thing in objects for complaint in schemas.complaints(thing)] == []


def test_a_restored_cluster_does_not_write_over_its_backups() -> None:
    folder = rendering.DEPLOY / "tests" / "kustomize" / "restore"
    objects = rendering.substituted(rendering.text(folder), rendering.settings("production"))
    spec = of_kind(objects, "Cluster")["postgres"]["spec"]
    (before,) = spec["externalClusters"]
    source, target = before["barmanObjectStore"], spec["backup"]["barmanObjectStore"]
    assert spec["bootstrap"].keys() == {"recovery"}
    assert spec["bootstrap"]["recovery"]["source"] == before["name"]
    assert isinstance(spec["bootstrap"]["recovery"]["recoveryTarget"]["targetTime"], str)
    assert source["destinationPath"] == target["destinationPath"]
    assert source["serverName"] != target["serverName"]
    plain = of_kind(rendering.overlay("production", "data"), "Cluster")["postgres"]
    assert "serverName" not in plain["spec"]["backup"]["barmanObjectStore"]  # then it is the cluster's name:
    assert source["serverName"] == plain["metadata"]["name"]
