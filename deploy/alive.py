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
    file = Path(os.environ.get("ARTEMIS_HOME", ".artemis")) / f"{name}.alive"
    age = time.time() - file.stat().st_mtime if file.exists() else float("inf")
    if age <= stale:
        return 0
    if not redis_answers(os.environ.get("REDIS_URL", "")):
        print(f"{name} has done nothing for {age:.0f} s, but Redis is away", file=sys.stderr)
        return 0
    print(f"{name} has done nothing for {age:.0f} s", file=sys.stderr)
    return 1


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
