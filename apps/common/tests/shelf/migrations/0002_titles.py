"""Wants the table for itself."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shelf", "0001_books")]
    operations = [
        migrations.RunSQL("ALTER TABLE shelf_book ADD title text", "ALTER TABLE shelf_book DROP title"),
    ]
