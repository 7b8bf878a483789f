"""The fake engine's settings, made from arguments and handed to each worker process as JSON."""

import dataclasses
import json
import os
from dataclasses import dataclass, field

from inference.fake.script import Script

VARIABLE = "ARTEMIS_FAKE_ENGINE"


@dataclass(frozen=True)
class Settings:
    models: tuple[str, ...] = ()
    """Served names; with none given every name is served."""
    api_key: str | None = None
    max_model_len: int = 32_768
    max_running: int = 256
    max_queued: int = 1024
    """Beyond so many waiting requests the answer is vLLM's 503."""
    dimensions: int = 384
    sleep_mode: bool = False
    slot: str = ""
    """A file that stands for a GPU's memory: it has room for one engine that is awake."""
    wake_seconds: float = 0.0
    script: Script = field(default_factory=Script)

    def to_environment(self) -> None:
        os.environ[VARIABLE] = json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_environment(cls) -> "Settings":
        fields = json.loads(os.environ.get(VARIABLE, "{}"))
        script = Script.parse(fields.pop("script", {}))
        return cls(**{**fields, "models": tuple(fields.get("models", ())), "script": script})
