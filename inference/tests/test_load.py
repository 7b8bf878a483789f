"""What engines say of their load, and what is made of it."""

from inference.affinity import PrefixTable, prefix_of
from inference.fake.control import FakeServer
from inference.load import Load, LoadBoard, parse_metrics

VLLM = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="moon"} 3.0
vllm:num_requests_running{engine="1",model_name="moon"} 2.0
vllm:num_requests_waiting{engine="0",model_name="moon"} 7.0
vllm:num_requests_waiting{engine="1",model_name="moon"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="moon"} 0.25
vllm:num_requests_waiting_by_reason{engine="0",model_name="moon",reason="capacity"} 7.0
"""
LLAMA = "llamacpp:requests_processing 2\nllamacpp:requests_deferred 5\n"


def test_the_names_of_both_engines_are_known() -> None:
    assert parse_metrics(VLLM) == Load(5, 8, 0.25)
    assert parse_metrics(LLAMA) == Load(2, 5, 0.0)
    assert parse_metrics("<html>") is None


def test_the_fake_engine_says_it_as_vllm_does(fake: FakeServer) -> None:
    fake.set_metrics(num_requests_waiting=9, kv_cache_usage_perc=0.97)
    load = parse_metrics(fake.get("/metrics").decode())
    assert load is not None and (load.waiting, load.kv_cache_usage) == (9, 0.97)


def test_what_was_sent_since_counts_as_well() -> None:
    board = LoadBoard()
    board.began("a")
    assert board.requests("a") == 1
    board.update({"a": Load(5, 2, 0.1)})
    assert board.requests("a") == 7
    board.began("a")
    assert board.requests("a") == 8
    board.ended("a")
    board.update({"a": Load(0, 0, 0.1)})
    assert board.requests("a") == 1, "our own is still there"


def test_prefixes_match_by_whole_blocks_and_memory_is_bounded() -> None:
    table = PrefixTable(most=10)
    long = prefix_of(b"a" * 512 + b"b" * 512 + b"c" * 512)
    table.note(long, "x")
    assert table.match(long, "x") == 1
    assert table.match(prefix_of(b"a" * 512 + b"z" * 512), "x") == 0.5
    assert table.match(prefix_of(b"b" * 512), "x") == 0, "a block counts only where it stood"
    assert table.match(long, "y") == 0
    for number in range(50):
        table.note(prefix_of(bytes([number]) * 1024), "y")
    assert len(table) == 10
    assert table.match(long, "x") == 0


def test_a_replica_that_leaves_moves_only_its_own_conversations() -> None:
    table = PrefixTable()
    conversations = [prefix_of(bytes([number]) * 2048) for number in range(100)]
    replicas = [("a", 0), ("b", 0), ("c", 0), ("d", 0)]
    first = {}
    for one in conversations:
        first[one] = table.best(one, replicas)
        table.note(one, first[one])
    moved = [one for one in conversations if table.best(one, replicas[:3]) != first[one]]
    assert set(moved) == {one for one in conversations if first[one] == "d"}
