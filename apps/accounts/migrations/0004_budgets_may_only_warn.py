from django.db import migrations, models


def hardness() -> models.BooleanField:
    return models.BooleanField(
        db_default=True, default=True, help_text="Its budgets stop calls; otherwise they only warn"
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_rate_limits")]

    operations = [
        migrations.AddField(model_name="account", name="budget_is_hard", field=hardness()),
        migrations.AddField(model_name="project", name="budget_is_hard", field=hardness()),
    ]
