"""What one machine's platform remembers between starts: ports, passwords, the secret key."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.local.ports import free_port, is_free


@dataclass(slots=True)
class State:
    """Kept in `<home>/state.json`, readable by its owner alone."""

    secret_key: str
    database_password: str
    redis_password: str
    engine_key: str
    postgres_port: int
    redis_port: int
    chat_port: int
    embedding_port: int
    stripe_port: int

    @classmethod
    def load(cls, home: Path) -> "State":
        """What an earlier start wrote, with other ports where theirs are taken by now."""
        file = home / "state.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        values: dict[str, Any] = {name: known.get(name) or secrets.token_urlsafe(48) for name in _SECRETS}
        values |= {name: _usable_port(known.get(name)) for name in _PORTS}
        state = cls(**values)
        write_private(file, json.dumps(asdict(state), indent=2) + "\n")
        return state


_SECRETS = ("secret_key", "database_password", "redis_password", "engine_key")
_PORTS = ("postgres_port", "redis_port", "chat_port", "embedding_port", "stripe_port")


def _usable_port(known: int | None) -> int:
    return known if known and is_free(known) else free_port()


def write_private(file: Path, text: str) -> None:
    """Replaces the file whole; never readable by others, not even for a moment."""
    new = file.with_suffix(f"{file.suffix}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    new.rename(file)
