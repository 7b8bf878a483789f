from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="account",
            name="suspension_reason",
            field=models.CharField(blank=True, default="", help_text="What its owner is told", max_length=500),
            preserve_default=False,
        )
    ]
