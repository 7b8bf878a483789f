"""Programs from npm, as package-lock.json has them: clients that are independent of this platform's languages."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.local.platform import ROOT

SCRIPTS = Path(__file__).parent / "js"
FOLDER = ROOT / ".artemis" / "js"
INSTALL_SECONDS = 120
AWAY = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|E50\d|ERR_SOCKET_TIMEOUT")


def install() -> Path:
    """In a folder outside the tree, with the scripts beside them. Skips the test where they cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed here: apt-get install nodejs npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    lock, known = (SCRIPTS / "package-lock.json").read_bytes(), FOLDER / "installed-lock.json"
    for file in SCRIPTS.iterdir():
        shutil.copy(file, FOLDER)
    if known.exists() and known.read_bytes() == lock:
        return FOLDER
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode and AWAY.search(done.stderr):
        pytest.skip("npm's registry cannot be reached, and the programs are not installed yet")
    assert not done.returncode, done.stderr
    known.write_bytes(lock)
    return FOLDER
