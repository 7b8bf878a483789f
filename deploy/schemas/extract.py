"""Makes the JSON schemas in this folder out of npm's `@kubernetes-models` packages, which carry them as generated code.

The packages hold no JSON: each schema was compiled to a JavaScript function a subschema, of a very regular form. This
reads them back. Fields that no schema knows are refused in what comes out, as an API server with strict field
validation would. To make them anew (README.md beside this names the versions):

    npm install --prefix NEW kubernetes-models@… @kubernetes-models/flux-cd@… …
    python -m deploy.schemas.extract NEW/node_modules
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KINDS = {
    "@kubernetes-models/flux-cd": (
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        ("source.toolkit.fluxcd.io/v1", "GitRepository"),
        ("source.toolkit.fluxcd.io/v1", "HelmRepository"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
        ("image.toolkit.fluxcd.io/v1", "ImageRepository"),
        ("image.toolkit.fluxcd.io/v1", "ImagePolicy"),
        ("image.toolkit.fluxcd.io/v1", "ImageUpdateAutomation"),
        ("notification.toolkit.fluxcd.io/v1beta3", "Provider"),
        ("notification.toolkit.fluxcd.io/v1beta3", "Alert"),
    ),
    "@kubernetes-models/keda": (("keda.sh/v1alpha1", "ScaledObject"),),
    "@kubernetes-models/cert-manager": (
        ("cert-manager.io/v1", "Certificate"),
        ("cert-manager.io/v1", "Issuer"),
    ),
    "@kubernetes-models/prometheus-operator": (
        ("monitoring.coreos.com/v1", "PodMonitor"),
        ("monitoring.coreos.com/v1", "PrometheusRule"),
    ),
    "@kubernetes-models/cloudnative-pg": (
        ("postgresql.cnpg.io/v1", "Cluster"),
        ("postgresql.cnpg.io/v1", "Pooler"),
        ("postgresql.cnpg.io/v1", "ScheduledBackup"),
    ),
}
# JavaScript's code for one subschema, as ajv writes it.
FUNCTION = re.compile(r"function validate(\d+)\(data,(.*?)(?=function validate\d+\(data,|\Z)", re.DOTALL)
IMPORT = re.compile(r'import\{validate as validate(\d+)\}from"([^"]+)"')
ROOT = re.compile(r"export const validate=validate(\d+);")
CHILD = re.compile(
    r'validate(\d+)\([^(){}]+,\{instancePath:[^{}]*?,parentDataProperty:("[^"]+"|i\d+|key\d+),rootData\}'
)
SAME = re.compile(r"validate(\d+)\(data,\{instancePath,parentData,parentDataProperty,rootData\}\)")
BOUND = re.compile(
    r'keyword:"(minLength|maxLength|minItems|maxItems|minProperties|minimum|maximum)",params:\{[^}]*limit:([-\d.e]+)'
)
PATTERN = re.compile(r'keyword:"pattern",params:\{pattern:("(?:[^"\\]|\\.)*")')
INLINE = re.compile(r"let err\d+=\{instancePath:instancePath\+")


class Reader:
    """Reads compiled schemas below `modules` (a node_modules folder); `definitions` is what was met on the way."""

    def __init__(self, modules: Path) -> None:
        self._modules = modules
        self.definitions: dict[str, Any] = {}

    def define(self, file: Path) -> str:
        name = file.stem
        if name not in self.definitions:
            self.definitions[name] = {}  # a schema may contain itself
            self.definitions[name] = self._file(file)
        return name

    def _file(self, file: Path) -> dict[str, Any]:
        text = file.read_text()
        imports = {number: self._imported(file, path) for number, path in IMPORT.findall(text)}
        functions = dict(FUNCTION.findall(text))

        def subschema(number: str) -> dict[str, Any]:
            if number in imports:
                return {"$ref": f"#/$defs/{self.define(imports[number])}"}
            return self._function(functions[number], text, subschema)

        root = ROOT.search(text)
        if root is None:
            raise SystemExit(f"{file}: no root")
        return subschema(root[1])

    def _imported(self, file: Path, path: str) -> Path:
        found = file.parent / path if path.startswith(".") else self._modules / path
        return found if found.suffix == ".js" else found.with_name(found.name + ".js")

    def _function(self, code: str, text: str, subschema: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        if INLINE.search(code):
            raise SystemExit("A subschema without a function of its own: this reader does not know that form.")
        embedded = [subschema(number) for number in SAME.findall(code)]
        schema = {**(embedded[0] if len(embedded) == 1 else {}), **_keywords(code, text)}
        properties = {}
        for number, name in CHILD.findall(code):
            if name.startswith('"'):
                properties[json.loads(name)] = subschema(number)
            else:
                schema["items" if name.startswith("i") else "additionalProperties"] = subschema(number)
        if embedded and (properties or len(embedded) > 1):  # fields of an embedded struct stand beside its own
            schema.pop("$ref", None)
            for one in embedded:
                properties = self._fields(one) | properties
        if properties:
            schema["properties"] = dict(sorted(properties.items()))
            schema.setdefault("additionalProperties", False)
        return {"anyOf": [schema, {"type": "null"}]} if "null!==data" in code and schema else schema

    def _fields(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        found: dict[str, Any] = schema.get("properties", {})
        return found


def _keywords(code: str, text: str) -> dict[str, Any]:
    """What a subschema says of a value, but for what is inside it."""
    schema: dict[str, Any] = {name: json.loads(limit) for name, limit in BOUND.findall(code)}
    if kind := re.search(r'keyword:"type",params:\{type:"(\w+)"', code):
        schema["type"] = kind[1]
    if values := re.search(r"allowedValues:(schema\d+_enum)", code):
        schema["enum"] = json.loads(re.findall(rf"let {values[1]}=(\[.*?\])[;,]", text)[0])
    if pattern := PATTERN.search(code):
        schema["pattern"] = json.loads(pattern[1])
    if required := sorted(set(re.findall(r'missingProperty:"([^"]+)"', code))):
        schema["required"] = required
    return schema


def kinds_file(folder: Path, api_version: str, kind: str) -> Path:
    for file in sorted(folder.glob("*.js")):
        text = file.read_text()
        if f'["{api_version}"]' in text and f'["{kind}"]' in text:
            return file
    raise SystemExit(f"{folder} does not know {api_version} {kind}.")


def main(modules: Path) -> None:
    for package, kinds in KINDS.items():
        folder = modules / package / "_schemas"
        for api_version, kind in kinds:
            reader = Reader(modules)
            name = reader.define(kinds_file(folder, api_version, kind))
            reader.definitions[name]["properties"].pop("status", None)  # the controllers' to write
            document = {"$ref": f"#/$defs/{name}", "$defs": reached(reader.definitions, name)}
            target = HERE / f"{api_version.replace('/', '-')}-{kind}.json"
            target.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")


def reached(definitions: dict[str, Any], root: str) -> dict[str, Any]:
    """What the root still refers to."""
    found, waiting = {}, [root]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = definitions[name]
            waiting += re.findall(r'"#/\$defs/(\w+)"', json.dumps(definitions[name]))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
