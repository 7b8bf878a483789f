"""The checks of `make check` that need a database: models match migrations, and production's settings are fit."""

import os
import secrets
import subprocess
import sys

from deploy.local.platform import ROOT
from deploy.local.pytest_servers import start_servers


def main() -> int:
    os.environ["ARTEMIS_ENV"] = "test"
    start_servers()
    manage = [sys.executable, "-W", "ignore::RuntimeWarning", "manage.py"]
    production = {
        **os.environ,
        "ARTEMIS_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "ALLOWED_HOSTS": "artemis.test",
        "PUBLIC_URL": "https://artemis.test",
        "EMAIL_URL": "smtp+tls://artemis:password@mail.artemis.test:587",
    }
    steps = [
        ([*manage, "makemigrations", "--check", "--dry-run"], dict(os.environ)),
        ([*manage, "check", "--deploy", "--fail-level", "WARNING"], production),
    ]
    return max(
        subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode for command, environment in steps
    )


if __name__ == "__main__":
    sys.exit(main())
