from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("keys", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="apikey", options={"ordering": ["-created_at"], "verbose_name": "API key"}
        )
    ]
