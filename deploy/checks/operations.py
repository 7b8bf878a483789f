"""What a migration's operations do to tables that a released platform reads and writes meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import connection, models
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.functions import Now

from deploy.checks import columns, statements

WITHOUT_EFFECT = (
    operations.AlterModelOptions,
    operations.AlterModelManagers,
    operations.AlterModelTableComment,
)
RENAMES = "renames what the release that still runs names: add the new one, write both, move, drop the old one later"
DROPS = "drops what the release that still runs names: first a release that no longer does, then one that drops it"
SCANS = "checks every row while nobody may write: AddConstraintNotValid, and in a migration after it ValidateConstraint"
BUILDS = "builds an index while nobody may write: AddIndexConcurrently, in a migration that is not atomic"
UNIQUE = "builds a unique index while nobody may write: CREATE UNIQUE INDEX CONCURRENTLY, by SQL beside Django's state"
MIXES = "moves data while the schema's locks are held: put it into a migration of its own"


LINGERS = "validates while the lock is held that adding it took: put it into a migration of its own"
STAYS = "runs outside a transaction, so that a failure after it leaves it behind: only what runs CONCURRENTLY does"
CONCURRENT = (AddIndexConcurrently, RemoveIndexConcurrently, ValidateConstraint)


@dataclass(frozen=True)
class Step:
    """One operation, on the way from one state to the next."""

    operation: Operation
    app_label: str
    before: ProjectState
    after: ProjectState
    released: ProjectState
    on_the_database: bool = True

    @property
    def name(self) -> str:
        operation: Any = self.operation
        if isinstance(operation, operations.RenameModel):
            return operation.old_name.lower()
        return str(getattr(operation, "model_name", getattr(operation, "name", ""))).lower()

    @property
    def is_of_a_released_table(self) -> bool:
        return (self.app_label, self.name) in self.released.models

    def field(self, state: ProjectState, name: str) -> columns.Column:
        found: columns.Column = state.apps.get_model(self.app_label, self.name)._meta.get_field(name)
        return found


def steps(operation: Operation, *, app_label: str, before: ProjectState, released: ProjectState) -> list[Step]:
    """The operation itself, or the two sides of one that separates the database from what Django believes."""
    separate = isinstance(operation, operations.SeparateDatabaseAndState)
    sides = (
        [(operation.database_operations, True), (operation.state_operations, False)]
        if isinstance(operation, operations.SeparateDatabaseAndState)
        else [([operation], True)]
    )
    found = []
    for side, on_the_database in sides:
        state = before
        for one in side:
            after = state.clone()
            one.state_forwards(app_label, after)
            if separate and isinstance(one, operations.SeparateDatabaseAndState):
                found += steps(one, app_label=app_label, before=state, released=released)
            else:
                found.append(Step(one, app_label, state, after, released, on_the_database))
            state = after
    return found


def findings(step: Step) -> Iterator[str]:
    """Why the operation may not run beside the released platform; nothing where it may."""
    match step.operation:
        case operations.RunSQL():
            yield from statements.findings(step.operation)
        case operations.RunPython(reverse_code=None):
            yield "cannot be taken back: give reverse_code, RunPython.noop where there is nothing to do"
        case _ if step.is_of_a_released_table and step.on_the_database:
            yield from _of_a_released_table(step.operation, step)
        case operations.RemoveField(name=name) if step.is_of_a_released_table:
            if columns.needs_a_value(step.field(step.before, name)):
                yield "leaves a column that the new release does not fill: give it a db_default, or null=True, first"


@singledispatch
def _of_a_released_table(operation: Operation, step: Step) -> Iterator[str]:
    """By the kind of operation; those that run CONCURRENTLY or NOT VALID are kinds of their own, without findings."""
    yield from ()


@_of_a_released_table.register(AddIndexConcurrently)
@_of_a_released_table.register(AddConstraintNotValid)
def _of_what_is_made_so_that_it_may(operation: Operation, step: Step) -> Iterator[str]:
    yield from ()


@_of_a_released_table.register(operations.RemoveField)
@_of_a_released_table.register(operations.DeleteModel)
def _of_what_drops(operation: Operation, step: Step) -> Iterator[str]:
    yield DROPS


@_of_a_released_table.register(operations.RenameModel)
@_of_a_released_table.register(operations.AlterModelTable)
def _of_what_renames(operation: Operation, step: Step) -> Iterator[str]:
    yield RENAMES


@_of_a_released_table.register
def _of_a_renamed_field(operation: operations.RenameField, step: Step) -> Iterator[str]:
    old, new = step.field(step.before, operation.old_name), step.field(step.after, operation.new_name)
    if columns.name(old) != columns.name(new):
        yield RENAMES


@_of_a_released_table.register(operations.AddIndex)
def _of_an_index(operation: operations.AddIndex, step: Step) -> Iterator[str]:
    yield BUILDS


@_of_a_released_table.register
def _of_a_constraint(operation: operations.AddConstraint, step: Step) -> Iterator[str]:
    yield SCANS if isinstance(operation.constraint, models.CheckConstraint) else UNIQUE


@_of_a_released_table.register
def _of_a_removed_constraint(operation: operations.RemoveConstraint, step: Step) -> Iterator[str]:
    """What an upsert names by its columns must be there."""
    model = step.before.models[step.app_label, step.name]
    if isinstance(model.get_constraint_by_name(operation.name), models.UniqueConstraint):
        yield DROPS


@_of_a_released_table.register
def _of_unique_together(operation: operations.AlterUniqueTogether, step: Step) -> Iterator[str]:
    if operation.unique_together:
        yield UNIQUE


@_of_a_released_table.register
def _of_an_order(operation: operations.AlterOrderWithRespectTo, step: Step) -> Iterator[str]:
    if operation.order_with_respect_to:
        yield BUILDS


@_of_a_released_table.register
def _of_an_added_field(operation: operations.AddField, step: Step) -> Iterator[str]:
    yield from _of_a_new_column(step.field(step.after, operation.name))


@_of_a_released_table.register
def _of_an_altered_field(operation: operations.AlterField, step: Step) -> Iterator[str]:
    yield from _of_a_changed_column(step.field(step.before, operation.name), step.field(step.after, operation.name))


def _of_a_new_column(field: columns.Column) -> Iterator[str]:
    if not field.concrete or field.many_to_many:
        return
    if isinstance(field, models.GeneratedField):
        yield "computes a column of every row while nobody may read: add an ordinary one, and fill it in batches"
    elif columns.needs_a_value(field):
        yield "adds a column that the release that still runs leaves out: null=True or db_default"
    elif field.has_db_default() and not isinstance(field.db_default, columns.CONSTANTS | Now):
        yield "computes a default for every row while nobody may read: a constant, or null=True and batches"
    if columns.is_indexed(field):
        yield BUILDS
    if columns.is_checked(field) or columns.is_a_foreign_key_of_the_database(field):
        yield SCANS


def _of_a_changed_column(before: columns.Column, after: columns.Column) -> Iterator[str]:
    if columns.name(before) != columns.name(after):
        yield RENAMES
    old, new = before.db_type(connection), after.db_type(connection)
    if not columns.fits_without_rewriting(old, new):
        yield f"rewrites the table, {old} to {new}, while nobody may read: a new column, filled in batches"
    if before.null and not after.null:
        yield "refuses NULL, which the release that still runs may write, and checks every row: a NOT VALID check first"
    elif not after.null and before.has_db_default() and not after.has_db_default():
        yield "takes a default away that the release that still runs relies on"
    if columns.is_indexed(after) and not columns.is_indexed(before):
        yield BUILDS
    if columns.is_checked(after) and columns.check(after) != columns.check(before):
        yield SCANS
    if columns.is_a_foreign_key_of_the_database(after) and not columns.is_a_foreign_key_of_the_database(before):
        yield SCANS


def findings_beside(step: Step, others: list[Step], *, atomic: bool) -> Iterator[str]:
    """Why the operation may not run in one migration with the others."""
    if not atomic and changes_the_schema(step) and not _runs_concurrently(step):
        yield STAYS
    if atomic and moves_data(step) and any(changes_the_schema(other) for other in others):
        yield MIXES
    if atomic and isinstance(step.operation, ValidateConstraint):
        added = [other.operation for other in others if isinstance(other.operation, AddConstraintNotValid)]
        if step.operation.name in [one.constraint.name for one in added]:
            yield LINGERS


def changes_the_schema(step: Step) -> bool:
    if isinstance(step.operation, operations.RunSQL):
        return statements.changes_the_schema(step.operation)
    quiet = isinstance(step.operation, (*WITHOUT_EFFECT, operations.RunPython))
    return step.on_the_database and not quiet


def moves_data(step: Step) -> bool:
    if isinstance(step.operation, operations.RunSQL):
        return statements.moves_data(step.operation)
    return isinstance(step.operation, operations.RunPython)


def _runs_concurrently(step: Step) -> bool:
    if isinstance(step.operation, operations.RunSQL):
        return statements.run_concurrently(step.operation)
    return isinstance(step.operation, CONCURRENT)
