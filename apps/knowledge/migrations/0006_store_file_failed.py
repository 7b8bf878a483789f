from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('knowledge', '0005_progress'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='storefile',
            index=models.Index(
                condition=models.Q(('deleted_at', None), ('status', 'failed')), fields=['id'], name='store_file_failed'
            ),
        ),
    ]
