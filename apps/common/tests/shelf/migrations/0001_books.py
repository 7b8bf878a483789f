"""Slow enough for two processes to meet in it."""

from django.db import migrations


class Migration(migrations.Migration):
    operations = [
        migrations.RunSQL("CREATE TABLE shelf_book (id bigint); SELECT pg_sleep(0.5)", "DROP TABLE shelf_book"),
    ]
