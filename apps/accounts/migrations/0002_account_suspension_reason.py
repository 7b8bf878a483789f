from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="account",
            name="suspension_reason",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Its people see it", max_length=500
            ),
        )
    ]
