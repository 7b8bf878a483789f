"""Settlements on disk wait, in order, until they are taken; half a file is none."""

import os
from pathlib import Path

import pytest

from apps.gateway.spool import Spool


def test_what_waits_comes_back_oldest_first_until_it_is_deleted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert spool.waiting() == []
    for age, name in enumerate(("req_b", "req_a", "req_c")):
        spool.add(name, [name, 1, "ü", '{"a":1}'])
        os.utime(tmp_path / "spool" / f"{name}.json", (100 + age, 100 + age))

    waiting = Spool(tmp_path / "spool").waiting()  # another process finds the same
    assert [path.stem for path in waiting] == ["req_b", "req_a", "req_c"]
    assert spool.read(waiting[0]) == ["req_b", 1, "ü", '{"a":1}']
    assert spool.is_old(waiting[0])
    waiting[0].unlink()
    assert [path.stem for path in spool.waiting()] == ["req_a", "req_c"]


def test_what_was_not_written_to_its_end_is_not_replayed(tmp_path: Path) -> None:
    (tmp_path / "req_a.part").write_text('["req_a", 1')
    assert Spool(tmp_path).waiting() == []


def test_a_file_that_another_process_took_meanwhile_is_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.add("req_a", ["req_a"])
    (path,) = spool.waiting()
    path.unlink()
    assert spool.read(path) is None
    assert not spool.is_old(path)


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "null"])
def test_what_is_no_settlement_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "req_a.json"
    path.write_text(text)
    with pytest.raises(ValueError):
        Spool(tmp_path).read(path)


def test_what_is_recorded_is_old_and_not_recorded_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for name in ("req_a", "req_b"):
        spool.add(name, [name, 1])
    (tmp_path / "req_c.json").write_text("{")
    assert dict(spool.unrecorded()) == {tmp_path / f"{name}.json": [name, 1] for name in ("req_a", "req_b")}
    spool.age(tmp_path / "req_a.json")
    spool.age(tmp_path / "req_of_nobody.json")
    assert [path.stem for path, _ in spool.unrecorded()] == ["req_b"]
    assert spool.is_old(tmp_path / "req_a.json") and len(spool.waiting()) == 3
