"""Refuses secrets in the clear: `python -m deploy.checks.secrets [FOLDER]` ends with 1 and names each.

A Secret below deploy/ must be encrypted by SOPS, all of it that is a value, but for one file of placeholders.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.checks.rendering import DEPLOY

EXAMPLE = "secrets.example.yaml"
PLACEHOLDER = "change-me"
PRIVATE_KEYS = re.compile(r"AGE-SECRET-KEY-1[A-Z0-9]{50,}|-----BEGIN [A-Z ]*PRIVATE KEY-----")
ENCRYPTED = re.compile(r"^ENC\[AES256_GCM,data:[^,\]]*,iv:[^,\]]+,tag:[^,\]]+,type:\w+\]$")
ENDINGS = (".yaml", ".yml", ".json")


def findings(folder: Path) -> Iterator[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    for file in sorted(files):
        text = file.read_text(errors="replace")
        where = file.relative_to(folder)
        if PRIVATE_KEYS.search(text):
            yield f"{where}: a private key"
        if file.suffix in ENDINGS:
            yield from (f"{where}: {complaint}" for complaint in _of_documents(text, is_example=str(where) == EXAMPLE))


def _of_documents(text: str, *, is_example: bool) -> Iterator[str]:
    try:
        documents = [one for one in yaml.safe_load_all(text) if isinstance(one, dict)]
    except yaml.YAMLError:
        if re.search(r"^\s*kind:\s*[\"']?Secret\b", text, re.MULTILINE):
            yield "a Secret that cannot be read"
        return
    for document in documents:
        yield from _of_generators(document)
        for thing in _listed(document):
            yield from _of_secret(thing, is_example=is_example)


def _listed(document: dict[str, Any]) -> list[dict[str, Any]]:
    items = document.get("items")
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else [document]


def _of_generators(document: dict[str, Any]) -> Iterator[str]:
    if document.get("secretGenerator"):
        yield "a secretGenerator, which makes Secrets of what lies in the clear"


def _of_secret(thing: dict[str, Any], *, is_example: bool) -> Iterator[str]:
    if thing.get("kind") != "Secret":
        return
    name = (thing.get("metadata") or {}).get("name", "?")
    values = {**(thing.get("data") or {}), **(thing.get("stringData") or {})}
    if is_example:
        for key, value in values.items():
            if value and PLACEHOLDER not in str(value):
                yield f"Secret {name}: {key} is no placeholder ({PLACEHOLDER})"
        return
    if "sops" not in thing:
        yield f"Secret {name} is in the clear: encrypt it by `sops --encrypt --in-place` (deploy/README.md)"
        return
    for key, value in values.items():
        if value and not ENCRYPTED.match(str(value)):
            yield f"Secret {name}: {key} is in the clear beside encrypted ones"


def main(folder: Path = DEPLOY) -> int:
    found = list(findings(folder))
    sys.stderr.writelines(f"{one}\n" for one in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
