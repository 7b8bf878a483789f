"""Which models fit on which GPUs, and what vLLM is told then."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from apps.common.commands import ArtemisCommand
from apps.common.errors import Invalid
from inference.planning.errors import PlanError
from inference.planning.flags import flags_of
from inference.planning.kustomize import component
from inference.planning.memory import GIB
from inference.planning.offer import offered
from inference.planning.placing import Engine, Plan, plan
from inference.planning.wishes import Wishes, read_wishes

TEMPLATE = Path("../../base/engines/vllm-qwen3-4b/engine.yaml")
"""What an engine is in the cluster, seen from an overlay."""
COLUMNS = "{:<12} {:<12} {:<8} {:>11} {:>9} {:>10} {:>9}  {}"


class Command(ArtemisCommand):
    help = "Places models on GPUs: what fits, with how many sequences at once, and the engines' flags."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, help="nodes and models, as deploy/overlays/production/gpus.yaml")
        parser.add_argument(
            "--kustomize",
            type=Path,
            metavar="FOLDER",
            help="an overlay, of which engines/planned and the engines in migrations/models.yaml are written",
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        try:
            wishes = read_wishes(options["file"])
            made = plan(wishes)
            written = _write(options["kustomize"], rendered(made, wishes, options["kustomize"]))
        except PlanError as error:
            raise Invalid("file", str(error)) from error
        return {
            "engines": [_engine(engine) for engine in made.engines],
            "refused": made.refused,
            "short": made.short,
            "written": written,
            "free": [f"{node}/{index}" for node, index in made.free],
        }

    def show(self, result: dict[str, Any]) -> None:
        heads = ("model", "node", "GPU", "weights GiB", "KV tokens", "sequences", "of memory", "shares with")
        self.stdout.write(COLUMNS.format(*heads))
        for engine in result["engines"]:
            beside = ", ".join(engine["beside"])
            if engine["sleep_level"]:
                beside = f"{beside}, by turns (sleep level {engine['sleep_level']})"
            self.stdout.write(
                COLUMNS.format(
                    engine["model"],
                    engine["node"],
                    ",".join(map(str, engine["gpus"])),
                    f"{engine['weights_gib']:.2f}",
                    engine["kv_tokens"],
                    engine["sequences"],
                    f"{engine['gpu_memory_utilization']:.2f}",
                    beside,
                ).rstrip()
            )
        for name, reason in result["refused"].items():
            self.stdout.write(self.style.ERROR(f"{name} has no place. {reason}"))
        for name, count in result["short"].items():
            self.stdout.write(self.style.WARNING(f"{name}: {count} of its sequences at once find no room."))
        if result["free"]:
            self.stdout.write(f"Free: {', '.join(result['free'])}")
        for path in result["written"]:
            self.stdout.write(f"Written: {path}")
        nodes: dict[str, list[str]] = {}
        for engine in result["engines"]:
            nodes.setdefault(" ".join(engine["flags"]), []).append(engine["node"])
        for flags, names in nodes.items():
            self.stdout.write(f"\n# On {', '.join(names)}\nvllm serve {flags}")


def rendered(made: Plan, wishes: Wishes, overlay: Path | None) -> dict[str, str]:
    """Texts by path within the overlay. Raises PlanError for a plan that cannot be rendered."""
    if overlay is None:
        return {}
    template = (overlay / TEMPLATE).read_text()
    planned = {f"engines/planned/{name}": text for name, text in component(made, wishes, template).items()}
    models = overlay / "migrations" / "models.yaml"
    return {**planned, "migrations/models.yaml": offered(models.read_text() if models.exists() else "", made)}


def _write(overlay: Path | None, texts: dict[str, str]) -> list[str]:
    """And takes away what an earlier plan left in engines/planned."""
    if overlay is None:
        return []
    for old in (overlay / "engines" / "planned").glob("*.yaml"):
        if f"engines/planned/{old.name}" not in texts:
            old.unlink()
    for name, text in texts.items():
        (overlay / name).parent.mkdir(parents=True, exist_ok=True)
        (overlay / name).write_text(text)
    return list(texts)


def _engine(engine: Engine) -> dict[str, Any]:
    return {
        "model": engine.model.name,
        "node": engine.node,
        "gpu": engine.gpu,
        "gpus": list(engine.indexes),
        "weights_gib": round(engine.weight_bytes / GIB, 2),
        "kv_tokens": engine.kv_tokens,
        "sequences": engine.sequences,
        "gpu_memory_utilization": engine.gpu_memory_utilization,
        "beside": list(engine.beside),
        "sleep_level": engine.sleep_level,
        "flags": flags_of(engine),
    }
