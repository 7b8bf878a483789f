from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0003_rate_limits")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="budget_is_hard",
            field=models.BooleanField(
                db_default=True, default=True, help_text="Its budgets stop calls; otherwise they only warn"
            ),
        )
    ]
