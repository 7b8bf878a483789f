"""What Flux applies, in which order, what it waits for, and which images it may write."""

import re

import pytest
import yaml

from deploy.checks import rendering
from deploy.checks.rendering import DEPLOY, ENVIRONMENTS, LAYERS, SHARED, Object
from deploy.checks.workloads import of_kind, workloads

MARK = re.compile(r'newTag: (\S+) # \{"\$imagepolicy": "flux-system:([a-z-]+):tag"\}')


def layers(environment: str) -> dict[str, Object]:
    return {name: one["spec"] for name, one in of_kind(rendering.flux(environment), "Kustomization").items()}


def before(environment: str, name: str) -> set[str]:
    """All that must be ready before it."""
    found: set[str] = set()
    for one in layers(environment)[name].get("dependsOn", []):
        found |= {one["name"]} | before(environment, one["name"])
    return found


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_order(environment: str) -> None:
    assert set(layers(environment)) == {*LAYERS, *SHARED, "secrets"}
    assert before(environment, "secrets") == {"common"}
    assert before(environment, "data") == {"common", "secrets", "infrastructure"}
    assert before(environment, "migrations") == {"common", "secrets", "infrastructure", "data"}
    assert before(environment, "platform") == before(environment, "migrations") | {"migrations"}
    assert before(environment, "edge") == before(environment, "platform") | {"platform"}
    assert "platform" not in before(environment, "engines"), "engines load for long; others answer meanwhile"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_layer_is_waited_for_and_pruned(environment: str) -> None:
    for name, spec in layers(environment).items():
        assert spec["prune"] is True
        assert spec["sourceRef"] == {"kind": "GitRepository", "name": "artemis"}
        assert spec["timeout"]
        if name == "secrets":
            assert "postBuild" not in spec, "a password may look like a variable"
        else:
            assert spec["postBuild"]["substituteFrom"] == [{"kind": "ConfigMap", "name": "settings"}]
        folder = (DEPLOY.parent / spec["path"]).resolve()
        assert (folder / "kustomization.yaml").exists()
        expected = DEPLOY / ("flux" if name in SHARED else f"overlays/{environment}") / name
        assert str(folder).startswith(str(expected))
        if name in LAYERS:
            assert spec.get("wait") or spec["healthChecks"]
        for check in spec.get("healthChecks", []):
            names = {rendering.name_of(one) for one in rendering.overlay(environment, name)}
            assert f"{check['kind']}/{check['name']}" in names


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_secrets_alone_are_decrypted(environment: str) -> None:
    decrypting = {name: spec["decryption"] for name, spec in layers(environment).items() if "decryption" in spec}
    assert decrypting == {"secrets": {"provider": "sops", "secretRef": {"name": "sops-age"}}}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_migration_is_made_anew_and_outlived(environment: str) -> None:
    spec = layers(environment)["migrations"]
    assert spec["force"] is True
    assert spec["wait"] is True
    (job,) = of_kind(rendering.overlay(environment, "migrations"), "Job").values()
    assert int(spec["timeout"].removesuffix("m")) * 60 > job["spec"]["activeDeadlineSeconds"]
    assert "ttlSecondsAfterFinished" not in job["spec"], "Flux would run it again at each look"
    assert [one["kind"] for one in rendering.overlay(environment, "migrations")].count("Job") == 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_roll_out_has_the_time_it_takes(environment: str) -> None:
    """A Deployment is called stuck after its own deadline, which Flux waits for."""
    timeout = int(layers(environment)["platform"]["timeout"].removesuffix("m")) * 60
    for deployment in of_kind(rendering.overlay(environment, "platform"), "Deployment").values():
        assert deployment["spec"]["progressDeadlineSeconds"] < timeout


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_operators_settings_arrive(environment: str) -> None:
    values = rendering.settings(environment)
    assert values["environment"] == environment
    (source,) = of_kind(rendering.flux(environment), "GitRepository").values()
    assert source["spec"]["url"] == values["repository"]
    assert source["spec"]["ref"] == {"branch": values["branch"]}
    used = set()
    for folder in (*(f"overlays/{environment}/{layer}" for layer in LAYERS), *(f"flux/{one}" for one in SHARED)):
        used |= set(rendering.VARIABLE.findall(rendering.text(DEPLOY / folder)))
    assert used | {"repository"} == set(values), "a setting that nothing reads, or the reverse"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_registry_is_named(environment: str) -> None:
    """Ours come from wherever the operator says."""
    for layer in LAYERS:
        rendered = rendering.text(DEPLOY / "overlays" / environment / layer)
        for image in re.findall(r"^\s*-?\s*image(?:Name)?: (\S+)$", rendered, re.MULTILINE):
            host = image.split("/")[0]
            assert "." not in host or host.startswith("${"), image
            assert not image.startswith("artemis-"), image


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_images_are_automated(environment: str) -> None:
    objects = rendering.shared(environment, "automation")
    policies, repositories = of_kind(objects, "ImagePolicy"), of_kind(objects, "ImageRepository")
    text = (DEPLOY / "overlays" / environment / "images" / "kustomization.yaml").read_text()
    marks = MARK.findall(text)
    assert {policy for _, policy in marks} == set(policies)
    registry = rendering.settings(environment)["registry"]
    for name, policy in policies.items():
        repository = policy["spec"]["imageRepositoryRef"]["name"]
        assert repositories[repository]["spec"]["image"] == f"{registry}/{name}"
    ours = [one for one in yaml.safe_load(text)["images"] if one["name"].startswith("artemis-")]
    assert len(ours) == len(marks)
    (update,) = of_kind(objects, "ImageUpdateAutomation").values()
    assert (DEPLOY.parent / update["spec"]["update"]["path"]).resolve() == DEPLOY / f"overlays/{environment}/images"


def test_production_is_rolled_out_by_people() -> None:
    """New tags are pushed to a branch of their own there, which somebody merges; elsewhere they are taken at once."""
    for environment in ENVIRONMENTS:
        values = rendering.settings(environment)
        assert (values["push_branch"] != values["branch"]) == (environment == "production")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_controllers_are_pinned_and_complete(environment: str) -> None:
    path = layers(environment)["infrastructure"]["path"]
    rendered = rendering.substituted(rendering.text((DEPLOY.parent / path).resolve()), rendering.settings(environment))
    releases, sources = of_kind(rendered, "HelmRelease"), of_kind(rendered, "HelmRepository")
    assert set(releases) == set(sources)
    for release in releases.values():
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", release["spec"]["chart"]["spec"]["version"])
        assert release["spec"]["chart"]["spec"]["sourceRef"]["name"] in sources
    needs = {
        "cert-manager.io": "cert-manager",
        "postgresql.cnpg.io": "cloudnative-pg",
        "keda.sh": "keda",
        "monitoring.coreos.com": "kube-prometheus-stack",
    }
    groups = {one["apiVersion"].partition("/")[0] for one in rendering.overlay(environment)}
    assert {needs[group] for group in groups & needs.keys()} <= set(releases)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_gpus_are_watched_wherever_engines_run_on_them(environment: str) -> None:
    path = layers(environment)["infrastructure"]["path"]
    rendered = rendering.substituted(rendering.text((DEPLOY.parent / path).resolve()), rendering.settings(environment))
    releases = of_kind(rendered, "HelmRelease")
    engines = [one.spec for one in workloads(rendering.overlay(environment, "engines")) if one.name.startswith("vllm")]
    assert ("dcgm-exporter" in releases) == ("nvidia-device-plugin" in releases) == bool(engines)
    for engine in engines:
        release = releases["dcgm-exporter"]["spec"]
        values = release["values"]
        assert values["tolerations"] == engine["tolerations"]
        affinity = values["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        (wanted,) = affinity["nodeSelectorTerms"][0]["matchExpressions"]
        assert wanted["operator"] == "Exists"
        assert wanted["key"] in engine["nodeSelector"]
        # Its monitor's kind is known by then, and Prometheus takes monitors without a label of its own.
        assert {"name": "kube-prometheus-stack"} in release["dependsOn"]
        monitor = values["serviceMonitor"]
        assert monitor["enabled"] is True
        assert int(monitor["interval"].removesuffix("s")) >= int(monitor["scrapeTimeout"].removesuffix("s"))
        prometheus = releases["kube-prometheus-stack"]["spec"]["values"]["prometheus"]["prometheusSpec"]
        assert prometheus["serviceMonitorSelectorNilUsesHelmValues"] is False


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_failures_are_told(environment: str) -> None:
    alerts = of_kind(rendering.shared(environment, "notifications"), "Alert")
    assert alerts["failures"]["spec"]["eventSeverity"] == "error"
    told = {(one["kind"], one["name"]) for one in alerts["failures"]["spec"]["eventSources"]}
    assert {("Kustomization", "*"), ("HelmRelease", "*"), ("ImageUpdateAutomation", "*")} <= told
