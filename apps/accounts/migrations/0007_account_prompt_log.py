from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_letters'),
    ]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '30s'", migrations.RunSQL.noop),
        migrations.AddField(
            model_name='account',
            name='prompt_log_days',
            field=models.SmallIntegerField(blank=True, editable=False, help_text='So long its people can read what was asked and answered; empty: it is not kept', null=True),
        ),
        migrations.AddField(
            model_name='account',
            name='prompt_log_since',
            field=models.DateTimeField(editable=False, help_text='What was asked before is not kept, though it may still be on its way', null=True),
        ),
    ]
