"""Finds a data file that an installed package carries, without importing the package."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path


def find_in_package(distribution: str, suffix: str) -> Path:
    """The only file of `distribution` whose name ends in `suffix`.

    Importing is avoided on purpose: a package that carries a model often imports a heavy runtime, which is
    not installed here.
    """
    try:
        listed = files(distribution) or []
    except PackageNotFoundError as error:
        raise FileNotFoundError(f"the package {distribution} is not installed in this environment") from error
    found = [entry for entry in listed if entry.name.endswith(suffix)]
    if len(found) != 1:
        raise FileNotFoundError(f"{distribution} should carry one *{suffix}, it carries {len(found)}")
    return Path(str(found[0].locate())).resolve()
