"""Lets readers and writers pass."""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shelf", "0002_titles")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY shelf_by_title ON shelf_book (title)",
            "DROP INDEX CONCURRENTLY shelf_by_title",
        ),
    ]
