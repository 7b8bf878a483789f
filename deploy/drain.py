"""What runs before a gateway or portal is told to stop: /readyz says so, and load balancers get time to see it.

Needs nothing but Python. DRAIN_SECONDS: how long; 15 unless told.
"""

import os
import time
from pathlib import Path


def main() -> None:
    (Path(os.environ.get("ARTEMIS_HOME", ".artemis")) / "draining").touch()
    time.sleep(float(os.environ.get("DRAIN_SECONDS", "15")))


if __name__ == "__main__":
    main()
