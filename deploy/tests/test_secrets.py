"""No secret is committed in the clear: the check that `make check` runs, and what it refuses."""

import re
from pathlib import Path

import pyrage
import pytest
import yaml

from deploy.checks import secrets
from deploy.checks.rendering import DEPLOY, ENVIRONMENTS, RenderingError, text

CLEAR = """
apiVersion: v1
kind: Secret
metadata: {name: platform}
stringData: {SECRET_KEY: hunter2}
"""
SEALED = """
apiVersion: v1
kind: Secret
metadata: {name: platform}
stringData:
  SECRET_KEY: ENC[AES256_GCM,data:p2Y=,iv:MTIz,tag:NDU2,type:str]
  EMPTY: ""
sops:
  age: [{recipient: age1abc, enc: "-----BEGIN AGE ENCRYPTED FILE-----"}]
  mac: ENC[AES256_GCM,data:p2Y=,iv:MTIz,tag:NDU2,type:str]
"""


def test_this_repository() -> None:
    assert list(secrets.findings(DEPLOY)) == []


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("overlays/production/secrets/secrets.sops.yaml", CLEAR, "is in the clear: encrypt it"),
        ("a.yml", "kind: Deployment\n---" + CLEAR, "is in the clear: encrypt it"),
        ("a.json", '{"kind": "Secret", "metadata": {"name": "a"}, "data": {"b": "Yw=="}}', "is in the clear"),
        ("a.yaml", "kind: List\nitems:\n- kind: Secret\n  metadata: {name: a}\n  data: {b: Yw==}", "is in the clear"),
        ("a.yaml", SEALED.replace('EMPTY: ""', "NEW: hunter2"), "NEW is in the clear beside encrypted ones"),
        ("a.yaml", "kind: Secret\n  bad: [", "a Secret that cannot be read"),
        ("kustomization.yaml", "secretGenerator: [{name: a, literals: [b=c]}]", "secretGenerator"),
        ("secrets.example.yaml", CLEAR, "SECRET_KEY is no placeholder"),
        ("deep/secrets.example.yaml", CLEAR.replace("hunter2", "change-me"), "is in the clear"),
        ("notes.md", "AGE-SECRET-KEY-1" + "Q" * 58, "a private key"),
        ("key", "-----BEGIN OPENSSH " + "PRIVATE KEY-----", "a private key"),
    ],
)
def test_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, complaint: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    assert secrets.main(tmp_path) == 1
    said = capsys.readouterr().err
    assert complaint in said
    assert name in said
    assert "hunter2" not in said


def test_what_sops_wrote_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.sops.yaml").write_text(SEALED)
    (tmp_path / "secrets.example.yaml").write_text(CLEAR.replace("hunter2", "change-me"))
    assert secrets.main(tmp_path) == 0


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_secrets_layer_waits_for_its_file(environment: str) -> None:
    with pytest.raises(RenderingError, match=re.escape("secrets.sops.yaml")):
        text(DEPLOY / "overlays" / environment / "secrets")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_sops_has_a_rule_for_each_environment(environment: str) -> None:
    rules = yaml.safe_load((DEPLOY.parent / ".sops.yaml").read_text())["creation_rules"]
    file = f"deploy/overlays/{environment}/secrets/secrets.sops.yaml"
    (rule,) = [one for one in rules if re.search(one["path_regex"], file)]
    encrypted = re.compile(rule["encrypted_regex"])
    example = [one for one in yaml.safe_load_all((DEPLOY / secrets.EXAMPLE).read_text()) if one]
    assert len(example) > 3
    for secret in example:
        clear = {key for key in secret if not encrypted.search(key)}
        assert clear == {"apiVersion", "kind", "metadata", "type"}


def test_the_private_key_that_age_makes_would_be_found(tmp_path: Path) -> None:
    """By age itself: what an operator's `age-keygen` writes, and that the pair is for each other."""
    identity = pyrage.x25519.Identity.generate()
    sealed = pyrage.encrypt(b"hunter2", [identity.to_public()])
    assert pyrage.decrypt(sealed, [identity]) == b"hunter2"
    (tmp_path / "production.agekey").write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    assert secrets.main(tmp_path) == 1
