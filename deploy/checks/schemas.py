"""Validates objects against the schemas of Kubernetes and its controllers: a field that nobody knows is a complaint."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator

from deploy.checks.rendering import DEPLOY, Object, name_of

KUBERNETES = "1.37"
SCHEMAS = DEPLOY / "schemas"
OWN_GROUPS = ("", "apps", "batch", "policy", "networking.k8s.io", "scheduling.k8s.io", "rbac.authorization.k8s.io")
"""Those of Kubernetes itself that are used here."""


def complaints(thing: Object) -> Iterator[str]:
    group = thing["apiVersion"].rpartition("/")[0]
    if group in OWN_GROUPS:
        yield from _kubernetes(thing)
        return
    validator = _validator(thing["apiVersion"], thing["kind"])
    if validator is None:
        yield f"{name_of(thing)}: deploy/schemas knows no {thing['apiVersion']} {thing['kind']}"
        return
    for error in validator.iter_errors(thing):
        for deepest in _deepest(error):
            path = ".".join(map(str, deepest.absolute_path))
            yield f"{name_of(thing)}: {path}: {deepest.message}"


def _kubernetes(thing: Object) -> Iterator[str]:
    try:
        kubernetes_validate.validate(thing, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{name_of(thing)}: {'.'.join(map(str, error.path))}: {error.message}"


@functools.cache
def _validator(api_version: str, kind: str) -> Draft202012Validator | None:
    file = SCHEMAS / f"{api_version.replace('/', '-')}-{kind}.json"
    return Draft202012Validator(json.loads(file.read_text())) if file.exists() else None


def _deepest(error: Any) -> list[Any]:
    """Of "this or null" only what is wrong with this."""
    if not error.context:
        return [error]
    inner = [one for one in error.context if one.validator != "type" or "null" not in str(one.validator_value)]
    return [found for one in inner for found in _deepest(one)] or [error]
