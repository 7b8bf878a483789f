"""compose.yaml fits the specification, the images, the platform's settings, and itself."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from apps.catalog.services import load_models
from artemis_site import settings
from deploy.images.dockerfile import read
from deploy.local.catalog_file import write_catalog
from deploy.local.platform import ROOT
from inference.environments.install import LOCKS
from inference.profiles import PROFILES, Launch

DEPLOY = ROOT / "deploy"
FILE = DEPLOY / "compose.yaml"
TEXT = FILE.read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PLATFORM = {name: one for name, one in SERVICES.items() if one["image"].startswith("artemis-platform:")}
EXAMPLE = dict(
    line.split("=", 1) for line in (DEPLOY / "compose.env.example").read_text().splitlines() if line and line[0] != "#"
)
every_service = pytest.mark.parametrize("name", SERVICES)


def default(text: str) -> str:
    """With each ${NAME:-default} as it is where nobody says otherwise."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_it_fits_the_specification() -> None:
    schema = json.loads((DEPLOY / "images" / "compose-spec.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    errors = [
        f"{error.json_path}: {error.message}" for error in jsonschema.Draft7Validator(schema).iter_errors(COMPOSE)
    ]
    assert errors == []


def test_the_specification_refuses_what_is_misspelt() -> None:
    schema = json.loads((DEPLOY / "images" / "compose-spec.json").read_text())
    wrong = {**COMPOSE, "services": {"gateway": {**SERVICES["gateway"], "readonly": True}}}
    assert not jsonschema.Draft7Validator(schema).is_valid(wrong)


@every_service
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["mem_limit"] and service["pids_limit"]
    assert not service.keys() & {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"}
    assert service["image"].rpartition(":")[2] not in ("", "latest")
    assert ("ports" in service) == (name == "edge")


@every_service
def test_every_container_says_whether_it_is_well_and_has_time_to_end(name: str) -> None:
    if name == "migrate":  # it ends
        assert SERVICES[name]["restart"] == "on-failure:5"
    else:
        assert SERVICES[name]["healthcheck"]["test"]
        assert seconds(SERVICES[name]["stop_grace_period"]) >= 30


def test_nothing_is_killed_in_the_middle_of_its_longest_piece_of_work() -> None:
    stream = COMPOSE["x-settings"]["GRACEFUL_TIMEOUT"]
    for name in ("gateway", "portal"):
        assert seconds(SERVICES[name]["stop_grace_period"]) > stream
    assert SERVICES["edge"]["environment"]["EDGE_STREAM_TIMEOUT"] >= stream
    assert seconds(SERVICES["edge"]["stop_grace_period"]) > SERVICES["edge"]["environment"]["EDGE_STREAM_TIMEOUT"]
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > settings.CELERY_TASK_TIME_LIMIT
    (shutdown,) = [word for word in SERVICES["vllm"]["command"] if word.startswith("--shutdown-timeout=")]
    assert seconds(SERVICES["vllm"]["stop_grace_period"]) > int(shutdown.partition("=")[2])


def test_the_example_names_exactly_what_the_file_asks_for_and_tells_no_secret() -> None:
    assert EXAMPLE.keys() == set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    assert [name for name in EXAMPLE if re.search("KEY|PASSWORD|TOKEN", name) and EXAMPLE[name]] == []
    for name, value in re.findall(r"(?<!\$)\$\{(\w+):-([^}]*)\}", TEXT):
        assert EXAMPLE[name] == value, name


def names_that_the_platform_reads() -> set[str]:
    code = [file for part in ("apps", "artemis_site", "inference") for file in (ROOT / part).rglob("*.py")]
    texts = [file.read_text() for file in [*code, *DEPLOY.glob("*.py")] if "tests" not in file.parts]
    models = [file.read_text() for file in DEPLOY.glob("compose.models*.yaml")]
    read_here = re.compile(r"""(?:env\.\w+|environ\.get|environ\.setdefault|environ)[(\[]\s*"([A-Z_]+)\"""")
    named = [name for text in texts for name in read_here.findall(text)]
    return {*named, *(name for text in models for name in re.findall(r"os\.environ/([A-Z_]+)", text))}


def test_every_setting_is_one_that_the_platform_reads() -> None:
    known = names_that_the_platform_reads()
    assert "SECRET_KEY" in known and "SECRET_KEYS" not in known
    for name, service in PLATFORM.items():
        assert service["environment"].keys() - known == set(), name
    for name in ("cpu-engine", "embeddings"):
        assert SERVICES[name]["environment"].keys() <= known


def test_every_setting_of_the_edge_is_one_that_it_reads() -> None:
    known = set(re.findall(r"^setting (EDGE_\w+)", (DEPLOY / "edge" / "settings.sh").read_text(), re.M))
    assert SERVICES["edge"]["environment"].keys() <= known


def test_only_the_platform_knows_its_secrets() -> None:
    holders = {
        "${SECRET_KEY": set(PLATFORM),
        "${POSTGRES_PASSWORD": {*PLATFORM, "postgres"},
        "${REDIS_PASSWORD": {*PLATFORM, "valkey"},
        "${ENGINE_API_KEY": {*PLATFORM, "cpu-engine", "embeddings", "vllm"},
    }
    for secret, allowed in holders.items():
        assert {name for name, service in SERVICES.items() if secret in json.dumps(service)} == allowed, secret


def test_every_file_that_it_names_is_there() -> None:
    for name, service in SERVICES.items():
        if service["image"].startswith("artemis-"):
            image = service["image"].partition(":")[0]
            builders = [
                one["build"] for one in SERVICES.values() if one["image"] == service["image"] and "build" in one
            ]
            assert builders == [{"context": "..", "dockerfile": f"deploy/images/{image[8:]}.Dockerfile"}], name
            assert (ROOT / builders[0]["dockerfile"]).is_file()
        for volume in service.get("volumes", []):
            source = default(volume).partition(":")[0]
            if source.startswith("."):
                assert source in ("./tls", "./models") or (DEPLOY / source).is_file(), source
            else:
                assert source in COMPOSE["volumes"], source
        assert set(service["networks"]) <= COMPOSE["networks"].keys()


def test_every_module_that_it_runs_reaches_the_image() -> None:
    modules = {
        command[command.index("-m") + 1]
        for service in PLATFORM.values()
        for command in (service.get("command", []), service.get("healthcheck", {}).get("test", []))
        if "-m" in command
    }
    assert modules == {"deploy.alive"}
    for module in modules:
        source = module.replace(".", "/") + ".py"
        assert (ROOT / source).is_file()
        assert Path(source).match("deploy/*.py")  # which .dockerignore lets through and the Dockerfile copies


def test_new_volumes_belong_to_who_writes_to_them() -> None:
    """Docker gives a new volume the owner of the folder that the image has there."""
    image = (DEPLOY / "images" / "platform.Dockerfile").read_text()
    (made,) = re.findall(r'for folder in "" (.+); do install .* (/var/lib/artemis)\$folder', image)
    folders = {made[1], *(made[1] + folder for folder in made[0].split())}
    for service in PLATFORM.values():
        for volume in service["volumes"]:
            assert volume.startswith("$") or volume.split(":")[1] in folders, volume


def test_ports_agree_with_the_images() -> None:
    exposed = {
        file.stem: [port for one in read(file) if one.name == "EXPOSE" for port in one.words]
        for file in (DEPLOY / "images").glob("*.Dockerfile")
    }
    assert exposed == {"platform": ["8000"], "cpu-engine": ["8000"], "edge": ["8080", "8443"]}
    assert [default(port) for port in SERVICES["edge"]["ports"]] == ["80:8080", "443:8443"]
    assert SERVICES["edge"]["environment"]["EDGE_GATEWAY_UPSTREAM"] == "gateway:8000"
    assert SERVICES["edge"]["environment"]["EDGE_PORTAL_UPSTREAM"] == "portal:8000"


def test_nothing_but_the_edge_calls_from_the_network_whose_word_is_believed() -> None:
    subnet = COMPOSE["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert COMPOSE["x-settings"]["TRUSTED_PROXIES"] == subnet
    assert {name for name, one in SERVICES.items() if "front" in one["networks"]} == {"gateway", "portal", "edge"}


def test_data_and_engines_are_reached_by_the_platform_alone() -> None:
    reached = {
        network: {name for name, one in SERVICES.items() if network in one["networks"]}
        for network in COMPOSE["networks"]
    }
    assert reached["data"] == {"postgres", "valkey", *PLATFORM}
    assert reached["engines"] == {"cpu-engine", "embeddings", "vllm", "gateway", "portal", "worker"}
    assert COMPOSE["networks"]["data"]["internal"] and COMPOSE["networks"]["engines"]["internal"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("file", "profiles"),
    [
        ("compose.models.yaml", {"cpu-engine": "llamacpp", "embeddings": "minilm"}),
        ("compose.models.gpu.yaml", {"vllm": "vllm-cuda", "embeddings": "minilm"}),
    ],
)
def test_models_are_those_of_the_engines(file: str, profiles: dict[str, str], tmp_path: Path) -> None:
    text = (DEPLOY / file).read_text()
    assert len([one for one in load_models(text=text, dry_run=True) if one.kind == "deployment"]) == len(profiles)
    made = tmp_path / "made.yaml"
    write_catalog(made, [(PROFILES[one], 8000) for one in profiles.values()], engine_key="os.environ/ENGINE_API_KEY")
    expected = yaml.safe_load(made.read_text())["model_list"]
    offered = yaml.safe_load(text)["model_list"]
    for service, entry, wanted in zip(profiles, offered, expected, strict=True):
        wanted["litellm_params"]["api_base"] = f"http://{service}:8000/v1"
        for price in [name for name in wanted["model_info"] if name.endswith(("_token", "_cost"))]:
            assert float(entry["model_info"].pop(price)) == float(wanted["model_info"].pop(price))
        assert entry == wanted


def test_engines_are_started_as_their_profiles_say() -> None:
    assert SERVICES["cpu-engine"]["command"][0] == "llamacpp"
    assert SERVICES["embeddings"]["command"][0] == "minilm"
    profile = PROFILES["vllm-cuda"]
    launch = Launch(Path("python"), "0.0.0.0", 8000, Path("model"), threads=1)
    words = profile.command(profile, launch)[3:]
    flags = {
        f"{flag}={value}" if not value.startswith("--") else flag
        for flag, value in itertools.pairwise([*words, "--"])
        if flag.startswith("--") and flag != "--model"
    }
    assert flags <= set(SERVICES["vllm"]["command"])
    version = re.search(r"^vllm==(\S+)", (LOCKS / "vllm-cuda.lock").read_text(), re.M)
    assert version and SERVICES["vllm"]["image"] == f"vllm/vllm-openai:v{version[1]}"
