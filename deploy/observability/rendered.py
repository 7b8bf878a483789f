"""Every file that is made of the descriptions here, and what is in it."""

from pathlib import Path

from deploy.observability import rules

COMPONENTS = Path(__file__).resolve().parents[1] / "components" / "prometheus"


def files() -> dict[Path, str]:
    return {COMPONENTS / "rules" / "rules.yaml": rules.custom_resource()}
