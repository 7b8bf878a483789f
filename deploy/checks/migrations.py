"""Refuses migrations that do not suit the release that still runs: `python -m deploy.checks.migrations [--release]`.

What was released is listed in released.txt; only what came after it is checked. An operation that is refused may run
all the same where a comment on it or above it says why: `# expand-and-contract: the table is empty until 0.4`.
"""

import argparse
import ast
import inspect
import os
import re
import sys
from pathlib import Path

import django
from django.apps import apps
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from deploy.checks import operations

RELEASED = Path(__file__).parent / "released.txt"
REASON = re.compile(r"#\s*expand-and-contract:\s*(\S+(\s+\S+){2,})")
Node = tuple[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", action="store_true", help="what there is now is released: write it down")
    if parser.parse_args().release:
        RELEASED.write_text(as_text(MigrationLoader(None)))
        return 0
    found = findings(MigrationLoader(None), RELEASED.read_text())
    for one in found:
        sys.stdout.write(f"{one}\n")
    return 1 if found else 0


def as_text(loader: MigrationLoader) -> str:
    heads = sorted(node for node in loader.graph.leaf_nodes() if is_ours(node[0]))
    return (
        "# The last migration of each app in the release that runs: python -m deploy.checks.migrations --release\n"
        + ("".join(f"{label} {name}\n" for label, name in heads))
    )


def is_ours(label: str) -> bool:
    return apps.get_app_config(label).name.startswith("apps.") or label == "djstripe"


def findings(loader: MigrationLoader, released: str) -> list[str]:
    """One line each, in the order in which migrations would run."""
    heads: list[Node] = [
        (line.split()[0], line.split()[1]) for line in released.splitlines() if line and line[0] != "#"
    ]
    gone = [
        f"{label} {name}: was released, and is there no more"
        for label, name in heads
        if (label, name) not in loader.graph.nodes
    ]
    if gone:
        return gone
    old = {node for head in heads for node in loader.graph.forwards_plan(head)}
    released_state = loader.project_state(sorted(heads))
    state, found = ProjectState(real_apps=loader.unmigrated_apps), []
    for node in loader.graph._generate_plan(sorted(loader.graph.leaf_nodes()), True):
        migration = loader.graph.nodes[node]
        if node not in old and is_ours(node[0]):
            found += [
                f"{node[0]} {node[1]}: {one}" for one in findings_of(migration, before=state, released=released_state)
            ]
        state = migration.mutate_state(state, preserve=False)
    return found


def findings_of(migration: Migration, *, before: ProjectState, released: ProjectState) -> list[str]:
    state = before.clone()
    steps: list[tuple[int, operations.Step]] = []
    for number, operation in enumerate(migration.operations):
        here = operations.steps(operation, app_label=migration.app_label, before=state, released=released)
        steps += [(number, step) for step in here]
        state = state.clone()
        operation.state_forwards(migration.app_label, state)
    excused = excused_operations(migration)
    every = [step for _, step in steps]
    return [
        f"{step.operation.describe()}: {one}"
        for number, step in steps
        if number not in excused
        for one in (*operations.findings(step), *operations.findings_beside(step, every, atomic=migration.atomic))
    ]


def excused_operations(migration: Migration) -> set[int]:
    """Numbers of the operations on which, or right above which, a comment says why they may run."""
    text = Path(inspect.getfile(type(migration))).read_text()
    lines = {number for number, line in enumerate(text.splitlines(), start=1) if REASON.search(line)}
    return {
        number
        for number, element in enumerate(_operations_in(ast.parse(text)))
        if lines & {element.lineno - 1, *range(element.lineno, (element.end_lineno or element.lineno) + 1)}
    }


def _operations_in(tree: ast.Module) -> list[ast.expr]:
    """Of the list as it is written; where it is computed, comments are not known to belong to anything."""
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Migration"]
    assigned = [node for body in bodies for node in body if isinstance(node, ast.Assign)]
    lists = [
        node.value
        for node in assigned
        if isinstance(node.value, ast.List)
        and any(isinstance(one, ast.Name) and one.id == "operations" for one in node.targets)
    ]
    plain = [one.elts for one in lists if not any(isinstance(element, ast.Starred) for element in one.elts)]
    return plain[0] if plain else []


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "artemis_site.settings")
    django.setup()
    sys.exit(main())
