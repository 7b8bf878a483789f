"""Renders folders of deploy/ by Kustomize and puts an environment's settings in, as Flux does before it applies."""

import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[1]
KUBECTL = Path(sys.executable).with_name("kubectl")
ENVIRONMENTS = ("development", "staging", "production")
LAYERS = ("common", "data", "migrations", "platform", "engines", "edge")
SHARED = ("infrastructure", "automation", "notifications")
"""Folders of deploy/flux that every environment applies."""
VARIABLE = re.compile(r"\$\{(\w+)\}")

Object = dict[str, Any]


class Loader(yaml.CSafeLoader):
    """Reads as Kubernetes does, to which what looks like a time is a text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class RenderingError(Exception):
    """Kustomize refuses a folder, or a setting is missing."""


@functools.cache
def text(folder: Path) -> str:
    """What `kubectl kustomize` makes of it. Raises RenderingError with its complaint."""
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderingError(done.stderr)
    return done.stdout


@functools.cache
def settings(environment: str) -> dict[str, str]:
    document = yaml.safe_load((DEPLOY / "flux" / environment / "settings.yaml").read_text())
    data: dict[str, str] = document["data"]
    return data


def substituted(rendered: str, values: dict[str, str]) -> list[Object]:
    """Raises RenderingError for a name that has no value, of which Flux would make nothing, in silence."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise RenderingError(f"There is no setting {match[1]}.")
        return values[match[1]]

    return [found for found in yaml.load_all(VARIABLE.sub(value, rendered), Loader) if found]


@functools.cache
def overlay(environment: str, layer: str = "") -> list[Object]:
    """The objects of a layer, or of all of them. Whoever changes one copies it first: it is made once."""
    return substituted(text(DEPLOY / "overlays" / environment / layer), settings(environment))


@functools.cache
def flux(environment: str) -> list[Object]:
    """What Flux itself applies for an environment: the settings, the source, the layers."""
    return substituted(text(DEPLOY / "flux" / environment), {})


@functools.cache
def shared(environment: str, folder: str) -> list[Object]:
    return substituted(text(DEPLOY / "flux" / folder), settings(environment))


def name_of(thing: Object) -> str:
    return f"{thing['kind']}/{thing['metadata']['name']}"
