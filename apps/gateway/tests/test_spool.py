"""Settlements on disk wait, in order, until they are taken; half a file is none."""

import os
from pathlib import Path

from apps.gateway.spool import Spool


def test_what_waits_comes_back_oldest_first_until_it_is_deleted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert list(spool.pending()) == []
    for age, name in enumerate(("req_b", "req_a", "req_c")):
        spool.add(name, [name, 1, "ü", '{"a":1}'])
        os.utime(tmp_path / "spool" / f"{name}.json", (100 + age, 100 + age))

    waiting = list(Spool(tmp_path / "spool").pending())  # another process finds the same
    assert [arguments[0] for _, arguments in waiting] == ["req_b", "req_a", "req_c"]
    assert waiting[0][1] == ["req_b", 1, "ü", '{"a":1}']
    waiting[0][0].unlink()
    assert [arguments[0] for _, arguments in spool.pending()] == ["req_a", "req_c"]


def test_what_was_not_written_to_its_end_is_not_replayed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (tmp_path / "req_a.part").write_text('["req_a", 1')
    assert list(spool.pending()) == []


def test_a_file_that_another_process_took_meanwhile_is_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for name in ("req_a", "req_b", "req_c"):
        spool.add(name, [name])
    taken = []
    for path, arguments in spool.pending():
        taken.append(arguments[0])
        for other in tmp_path.glob("*.json"):
            if other != path and len(taken) == 1:
                other.unlink()
    assert len(taken) == 1
