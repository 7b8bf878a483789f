"""Finds the binaries that Python packages carry, without running the packages' own wrappers."""

from importlib.util import find_spec
from pathlib import Path


def package_folder(name: str) -> Path:
    """The installed package's folder. Its code is not imported: the wrappers create users and change rights."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"The package {name} is not installed: run `make run` or `make test`, which install it.")
    return Path(spec.origin).parent
