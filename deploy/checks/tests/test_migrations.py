"""Each rule of expand-and-contract: what it refuses, and what may run in its place."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models.functions import Now, Random

from deploy.checks.migrations import RELEASED, as_text, findings, findings_of

LONG = models.CheckConstraint(condition=models.Q(pages__gt=0), name="long")
ONCE = models.UniqueConstraint(fields=["title"], name="once")
BY_TITLE = models.Index(fields=["title"], name="by_title")
RELEASE: list[Any] = [
    migrations.CreateModel("Author", [("id", models.BigAutoField(primary_key=True))]),
    migrations.CreateModel(
        "Book",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=50)),
            ("pages", models.IntegerField(null=True)),
            ("price", models.DecimalField(max_digits=8, decimal_places=2, default=0)),
            ("shelf", models.IntegerField(db_default=1)),
            ("author", models.ForeignKey("shop.author", models.PROTECT, db_index=False, db_constraint=False)),
        ],
        options={
            "indexes": [models.Index(fields=["pages"], name="by_pages")],
            "constraints": [
                models.UniqueConstraint(fields=["shelf"], name="one_a_shelf"),
                models.CheckConstraint(condition=models.Q(shelf__gt=0), name="on_a_shelf"),
            ],
        },
    ),
]


def state_after(operations: list[Any]) -> ProjectState:
    state = ProjectState()
    for operation in operations:
        operation.state_forwards("shop", state)
    return state


def found(*operations: Any, atomic: bool = True) -> list[str]:
    attributes = {"operations": operations, "atomic": atomic}
    migration = type("Migration", (migrations.Migration,), attributes)("0002_made", "shop")
    released = state_after(RELEASE)
    return findings_of(migration, before=released, released=released)


def add(name: str, field: Any) -> Any:
    return migrations.AddField("book", name, field)


def alter(name: str, field: Any) -> Any:
    return migrations.AlterField("book", name, field)


def sql(text: str, reverse: str | None = migrations.RunSQL.noop) -> Any:
    return migrations.RunSQL(text, reverse)


def nothing(apps: Any, schema_editor: Any) -> None:
    pass


REFUSED = {
    "column dropped": (migrations.RemoveField("book", "pages"), "drops what"),
    "table dropped": (migrations.DeleteModel("book"), "drops what"),
    "upsert's constraint dropped": (migrations.RemoveConstraint("book", "one_a_shelf"), "drops what"),
    "column renamed": (migrations.RenameField("book", "pages", "leaves"), "renames what"),
    "column renamed by db_column": (alter("pages", models.IntegerField(null=True, db_column="leaves")), "renames what"),
    "table renamed": (migrations.RenameModel("Book", "Volume"), "renames what"),
    "table renamed by db_table": (migrations.AlterModelTable("book", "volumes"), "renames what"),
    "column that must be given": (add("isbn", models.CharField(max_length=13, default="")), "null=True or db_default"),
    "column with a default for each row": (add("luck", models.FloatField(db_default=Random())), "computes a default"),
    "computed column": (
        add(
            "twice",
            models.GeneratedField(
                expression=models.F("shelf") * 2, output_field=models.IntegerField(), db_persist=True
            ),
        ),
        "computes a column",
    ),
    "column with an index": (add("isbn", models.CharField(max_length=13, null=True, db_index=True)), "builds an index"),
    "column that is unique": (add("isbn", models.CharField(max_length=13, null=True, unique=True)), "builds an index"),
    "column with a check": (add("weight", models.PositiveIntegerField(null=True)), "checks every row"),
    "column with a foreign key": (
        add("editor", models.ForeignKey("shop.author", models.PROTECT, null=True, related_name="+", db_index=False)),
        "checks every row",
    ),
    "other type": (alter("pages", models.BigIntegerField(null=True)), "rewrites the table, integer to bigint"),
    "shorter text": (alter("title", models.CharField(max_length=40)), "rewrites the table"),
    "more decimals": (alter("price", models.DecimalField(max_digits=9, decimal_places=3)), "rewrites the table"),
    "NULL refused": (alter("pages", models.IntegerField()), "refuses NULL"),
    "default taken away": (alter("shelf", models.IntegerField()), "takes a default away"),
    "field made unique": (alter("title", models.CharField(max_length=50, unique=True)), "builds an index"),
    "field checked": (alter("pages", models.PositiveIntegerField(null=True)), "checks every row"),
    "foreign key held by the database": (
        alter("author", models.ForeignKey("shop.author", models.PROTECT, db_index=False)),
        "checks every row",
    ),
    "check": (migrations.AddConstraint("book", LONG), "AddConstraintNotValid"),
    "unique constraint": (migrations.AddConstraint("book", ONCE), "CREATE UNIQUE INDEX CONCURRENTLY"),
    "unique together": (
        migrations.AlterUniqueTogether("book", {("title", "author")}),
        "CREATE UNIQUE INDEX CONCURRENTLY",
    ),
    "index": (migrations.AddIndex("book", BY_TITLE), "AddIndexConcurrently"),
    "order": (migrations.AlterOrderWithRespectTo("book", "author"), "builds an index"),
    "column forgotten that must be given": (
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("book", "title")]),
        "leaves a column that the new release does not fill",
    ),
    "column dropped beside the state": (
        migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField("book", "pages")]),
        "drops what",
    ),
    "SQL without a way back": (sql("UPDATE shop_book SET pages = 1", None), "give reverse_sql"),
    "Python without a way back": (migrations.RunPython(nothing), "give reverse_code"),
    "SQL that drops": (sql("DROP TABLE shop_book"), "changes by SQL"),
    "SQL that alters": (sql("-- a note\nALTER TABLE shop_book ALTER pages TYPE bigint"), "changes by SQL"),
    "SQL that also alters": (
        sql("ALTER TABLE shop_book ADD CONSTRAINT a CHECK (true) NOT VALID, DROP pages"),
        "changes by SQL",
    ),
    "SQL that builds an index": (sql("CREATE INDEX x ON shop_book (pages)"), "changes by SQL"),
    "SQL that locks": (sql("SET LOCAL search_path = public; LOCK TABLE shop_book"), "changes by SQL"),
    "SQL that waits for ever": (sql("SET lock_timeout = 0"), "waits for locks without an end"),
    "SQL that waits for ever, in words": (sql("SET LOCAL lock_timeout TO '0s'"), "waits for locks without an end"),
}
ALLOWED = {
    "nullable column": add("isbn", models.CharField(max_length=13, null=True)),
    "column with a constant": add("isbn", models.CharField(max_length=13, db_default="")),
    "column with the time": add("since", models.DateTimeField(db_default=Now())),
    "table between": add("editors", models.ManyToManyField("shop.author", related_name="+")),
    "foreign key that Django alone holds": add(
        "editor",
        models.ForeignKey(
            "shop.author", models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
        ),
    ),
    "longer text": alter("title", models.CharField(max_length=80)),
    "boundless text": alter("title", models.TextField()),
    "more digits": alter("price", models.DecimalField(max_digits=10, decimal_places=2, default=0)),
    "NULL allowed": alter("title", models.CharField(max_length=50, null=True)),
    "words for people": alter("title", models.CharField("the title", max_length=50, help_text="as printed")),
    "name in Python alone": migrations.SeparateDatabaseAndState(
        state_operations=[
            migrations.RenameField("book", "pages", "leaves"),
            migrations.AlterField("book", "leaves", models.IntegerField(null=True, db_column="pages")),
        ]
    ),
    "column forgotten that may be left out": migrations.SeparateDatabaseAndState(
        state_operations=[migrations.RemoveField("book", "shelf")]
    ),
    "check that was dropped": migrations.RemoveConstraint("book", "on_a_shelf"),
    "check for new rows": AddConstraintNotValid("book", LONG),
    "unique together no more": migrations.AlterUniqueTogether("book", set()),
    "new table": migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))]),
    "options": migrations.AlterModelOptions("book", {"ordering": ["title"]}),
    "data": migrations.RunPython(nothing, migrations.RunPython.noop),
    "SQL that moves data": sql("UPDATE shop_book SET pages = 1 WHERE pages IS NULL"),
    "SQL for new rows": sql("ALTER TABLE shop_book ADD CONSTRAINT positive CHECK (pages > 0) NOT VALID"),
    "SQL of a new table": sql("CREATE TABLE shop_shelf (id bigint); COMMENT ON TABLE shop_shelf IS 'new'"),
    "SQL that waits a little": sql("SET LOCAL lock_timeout = '30s'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_running_release_would_not_survive_is_refused(name: str) -> None:
    operation, finding = REFUSED[name]
    (only,) = found(operation)
    assert finding in only


@pytest.mark.parametrize("name", ALLOWED)
def test_what_suits_the_running_release_may_run(name: str) -> None:
    assert found(ALLOWED[name]) == []


def test_a_table_that_is_new_itself_may_be_changed_at_will() -> None:
    new = migrations.CreateModel(
        "Shelf", [("id", models.BigAutoField(primary_key=True)), ("row", models.IntegerField())]
    )
    index = migrations.AddIndex("shelf", models.Index(fields=["row"], name="by_row"))
    assert found(new, index, migrations.RemoveField("shelf", "row"), migrations.RenameModel("Shelf", "Rack")) == []


def test_indexes_are_built_concurrently_outside_a_transaction() -> None:
    assert (
        found(AddIndexConcurrently("book", BY_TITLE), RemoveIndexConcurrently("book", "by_pages"), atomic=False) == []
    )
    assert found(sql("CREATE UNIQUE INDEX CONCURRENTLY once ON shop_book (title)"), atomic=False) == []


def test_outside_a_transaction_nothing_else_runs() -> None:
    operations = AddIndexConcurrently("book", BY_TITLE), add("isbn", models.CharField(max_length=13, null=True))
    (only,) = found(*operations, atomic=False)
    assert "runs outside a transaction" in only


def test_data_is_not_moved_while_the_schema_is_locked() -> None:
    move = migrations.RunPython(nothing, migrations.RunPython.noop)
    column = add("isbn", models.CharField(max_length=13, null=True))
    for operations in ((column, move), (move, column), (column, sql("UPDATE shop_book SET isbn = ''"))):
        (only,) = found(*operations)
        assert "moves data while" in only
    assert found(move, migrations.AlterModelOptions("book", {})) == []


def test_a_constraint_is_validated_by_a_migration_of_its_own() -> None:
    assert found(ValidateConstraint("book", "long")) == []
    (only,) = found(AddConstraintNotValid("book", LONG), ValidateConstraint("book", "long"))
    assert "validates while the lock is held" in only


WRITTEN = """
from django.db import migrations

class Migration(migrations.Migration):
    operations = [
        migrations.RemoveField("book", "pages"),
        {above}
        migrations.DeleteModel("book"),{beside}
    ]
"""


@pytest.mark.parametrize(
    ("comments", "left"),
    [
        ({}, ["Remove field pages from book", "Delete model book"]),
        ({"above": "# expand-and-contract: no release since 0.4 names it"}, ["Remove field pages from book"]),
        ({"beside": "  # expand-and-contract: no release since 0.4 names it"}, ["Remove field pages from book"]),
        ({"above": "# expand-and-contract: trust me"}, ["Remove field pages from book", "Delete model book"]),
        ({"above": "# expand-and-contract:"}, ["Remove field pages from book", "Delete model book"]),
    ],
)
def test_a_reason_excuses_the_operation_that_it_stands_at(
    comments: dict[str, str], left: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "made_migration.py"
    file.write_text(WRITTEN.format(**{"above": "", "beside": "", **comments}))
    spec = importlib.util.spec_from_file_location("made_migration", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_migration"] = module
    try:
        spec.loader.exec_module(module)
        released = state_after(RELEASE)
        found = findings_of(module.Migration("0002_made", "shop"), before=released, released=released)
    finally:
        del sys.modules["made_migration"]
    assert [one.partition(":")[0] for one in found] == left


def test_every_migration_since_the_release_suits_it() -> None:
    assert findings(MigrationLoader(None), RELEASED.read_text()) == []


def test_what_was_not_released_is_checked_and_what_was_must_stay() -> None:
    loader = MigrationLoader(None)
    text = as_text(loader)
    assert text.splitlines()[1:] == [f"{label} {name}" for label, name in sorted(heads_of_ours(loader))]
    earlier = text.replace("billing 0011_words_for_people", "billing 0003_payments")
    assert any(
        "billing 0004_overage_and_dunning: Remove field past_due_since" in one for one in findings(loader, earlier)
    )
    renamed = text.replace("billing 0011_words_for_people", "billing 0011_other_words")
    assert findings(loader, renamed) == ["billing 0011_other_words: was released, and is there no more"]


def heads_of_ours(loader: MigrationLoader) -> list[tuple[str, str]]:
    folder = Path(__file__).parents[3] / "apps"
    ours = {file.parents[1].name for file in folder.glob("*/migrations/0001*.py")} | {"djstripe"}
    return [node for node in loader.graph.leaf_nodes() if node[0] in ours]
