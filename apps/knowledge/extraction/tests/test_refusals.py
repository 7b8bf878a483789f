"""What cannot be read, or should not be, is refused within its limits, with a sentence that its owner can act on."""

import time

import pytest

from apps.knowledge.extraction import Limits, UnreadableError, extract
from apps.knowledge.extraction.tests import hostile

LIMITS = Limits(seconds=20)


@pytest.mark.parametrize("name", hostile.FILES)
def test_a_hostile_file_is_refused_in_time(name):
    content, code, word = hostile.FILES[name]
    began = time.monotonic()
    with pytest.raises(UnreadableError) as refused:
        extract(content, filename=name, limits=LIMITS)
    assert time.monotonic() - began < LIMITS.seconds + 2
    assert refused.value.code == code
    assert word in refused.value.message
    assert refused.value.message.endswith(".")
