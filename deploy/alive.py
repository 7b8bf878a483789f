"""Whether a worker or beat does its work, by the file that it touches as it does: `python -m deploy.alive worker`.

Needs nothing but Python, since it is asked every half minute. Ends with 1 where the file is old, but not while Redis is
away: a worker that is started again has no work then, either.
"""

import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

STALE_SECONDS = 120.0
PATIENCE = 2.0


def main(name: str, stale: float = STALE_SECONDS) -> int:
    home = Path(os.environ.get("ARTEMIS_HOME", ".artemis"))
    works, found = look(home / f"{name}.alive", os.environ.get("REDIS_URL", ""), stale)
    if found:
        print(f"{name} {found}", file=sys.stderr)
    return 0 if works else 1


def look(file: Path, redis_url: str, stale: float = STALE_SECONDS) -> tuple[bool, str]:
    """Whether it does its work, and what there is to say of it."""
    age = time.time() - file.stat().st_mtime if file.exists() else float("inf")
    if age <= stale:
        return True, ""
    if not redis_answers(redis_url):
        return True, f"has done nothing for {age:.0f} s, but Redis is away"
    return False, f"has done nothing for {age:.0f} s"


def redis_answers(url: str) -> bool:
    """Anything, be it that one must sign in. Of rediss:// that it takes connections."""
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 6379)
    try:
        with socket.create_connection(address, timeout=PATIENCE) as connection:
            if parts.scheme == "rediss":
                return True
            connection.sendall(b"PING\r\n")
            return bool(connection.recv(1))
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(float, sys.argv[2:3])))
