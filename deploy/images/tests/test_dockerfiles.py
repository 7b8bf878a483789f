"""Dockerfiles, as far as they can be checked without building: bases, users, sources, packages with hashes."""

from pathlib import Path

import pytest

from deploy.images import dockerfile
from deploy.local.platform import ROOT

IMAGES = ROOT / "deploy" / "images"
FILES = sorted(IMAGES.glob("*.Dockerfile"))
GOOD = """
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS build
COPY some.lock /build/
RUN apt-get update && apt-get install --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
RUN pip install --no-deps --only-binary :all: --require-hashes -r /build/some.lock
FROM ${BASE}
COPY --from=build /opt /opt
USER 10001:10001
ENTRYPOINT ["python"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "some.lock").touch()
    (tmp_path / "other.lock").touch()
    (tmp_path / ".dockerignore").write_text("*\n!some.lock\n")
    return tmp_path


def found(root: Path, text: str) -> list[str]:
    file = root / "Dockerfile"
    file.write_text(text)
    return dockerfile.findings(file, root=root)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_dockerfile_is_as_images_are_made_here(file: Path) -> None:
    assert dockerfile.findings(file, root=ROOT) == []


def test_there_is_one_for_each_image() -> None:
    assert [file.name for file in FILES] == ["cpu-engine.Dockerfile", "edge.Dockerfile", "platform.Dockerfile"]


def test_a_good_one_has_no_findings(root: Path) -> None:
    assert found(root, GOOD) == []


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("debian:bookworm-slim", "debian:latest", "moves with every release"),
        ("debian:bookworm-slim", "debian", "has no tag"),
        ("FROM ${BASE}\n", "FROM debian:trixie\n", "FROM debian:trixie is not the base"),
        ("ARG BASE=debian:bookworm-slim", "", "no single ARG BASE"),
        ("COPY some.lock", "ADD https://example.com/some.lock", "COPY does what is needed"),
        ("COPY some.lock", "COPY missing.lock", "there is no such file"),
        ("COPY some.lock", "COPY other.lock", "keeps it from the builder"),
        (" --require-hashes", "", "pip install without --require-hashes"),
        (" --only-binary :all:", "", "pip install without --only-binary"),
        (" --no-install-recommends", "", "brings what it only recommends"),
        (" && rm -rf /var/lib/apt/lists/*", "", "apt's lists stay"),
        ("USER 10001:10001\n", "", "somebody else than root"),
        ("USER 10001:10001", "USER 0:0", "somebody else than root"),
        ("USER 10001:10001", "USER artemis", "somebody else than root"),
        ("USER", "RUN apt-get install --no-install-recommends gcc\nUSER", "gcc is in the last stage"),
        ('["python"]', "python", "a shell would take the signals"),
        ("USER", "ENV SECRET_KEY=something\nUSER", "a secret in an image"),
    ],
)
def test_what_is_wrong_is_found(root: Path, right: str, wrong: str, finding: str) -> None:
    assert GOOD.count(right) >= 1
    (only,) = found(root, GOOD.replace(right, wrong))
    assert finding in only


def test_nothing_private_reaches_a_builder() -> None:
    for path in (
        ".git/config",
        ".artemis/state.json",
        "deploy/compose.env",
        "deploy/tls/tls.key",
        "deploy/overlays/production",
    ):
        assert not dockerfile.reaches_a_builder(path, root=ROOT), path
