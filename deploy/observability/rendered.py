"""Every file that is made of the descriptions here, and what is in it."""

from pathlib import Path

from deploy.observability import dashboards, rules
from deploy.observability.boards import DASHBOARDS

COMPONENTS = Path(__file__).resolve().parents[1] / "components" / "prometheus"


def files() -> dict[Path, str]:
    boards = {COMPONENTS / "dashboards" / f"{one.uid}.json": dashboards.rendered(one) for one in DASHBOARDS}
    return {COMPONENTS / "rules" / "rules.yaml": rules.custom_resource(), **boards}
