"""Models on GPUs: the sums against figures that others published, and what a plan must never do."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.planning.architecture import architecture_of
from inference.planning.errors import PlanError
from inference.planning.flags import flags_of
from inference.planning.memory import GIB, GRAPH_BYTES, need_of, visible_bytes
from inference.planning.placing import Plan, plan
from inference.planning.wishes import Model, Nodes, Wishes, read_wishes

QWEN3_4B = {
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "vocab_size": 151_936,
    "tie_word_embeddings": True,
}
LLAMA_8B = {
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "vocab_size": 128_256,
}


def model(name: str = "qwen3-4b", **fields: Any) -> Model:
    fields = {"config": QWEN3_4B, "max_model_len": 8192, "weight_bits": 4, **fields}
    return Model(name=name, source=f"made/{name}", **fields)


def cards(count: int = 1, **fields: Any) -> Nodes:
    fields = {"gpu": "RTX 3060", "gpu_memory_gib": 12, **fields}
    return Nodes(names=[f"gpu-{number}" for number in range(1, count + 1)], **fields)


def planned(*models: Model, nodes: Nodes | None = None) -> Plan:
    return plan(Wishes(nodes=[nodes or cards()], models=list(models)))


class TestPublishedFigures:
    def test_qwen3_4b(self) -> None:
        """4.0 billion parameters, of which .36 in embeddings; 8.04 GB in 16 bits on the hub; 144 KiB a token."""
        architecture = architecture_of(QWEN3_4B)
        total = architecture.embedding_parameters + architecture.layer_parameters
        assert total == pytest.approx(4.02e9, rel=0.001)
        assert architecture.weight_bytes(16) == pytest.approx(8.04e9, rel=0.005)
        assert architecture.weight_bytes(4) == pytest.approx(2.5 * GIB, rel=0.02)
        assert architecture.kv_bytes_per_token(16) == 144 * 1024
        assert architecture.kv_bytes_per_token(8) == 72 * 1024

    @pytest.mark.parametrize(("bits", "left_gib", "tokens"), [(16, 2.1, 15_000), (4, 7.0, 51_000)])
    def test_qwen3_4b_on_a_card_of_12_gb(self, bits: int, left_gib: float, tokens: int) -> None:
        """The estimates that the platform was designed by, which left a little more to CUDA."""
        need = need_of(model(weight_bits=bits))
        usable = int(visible_bytes(12) * 0.9)
        assert (usable - need.least_bytes) / GIB == pytest.approx(left_gib, rel=0.12)
        assert need.kv_tokens(usable) == pytest.approx(tokens, rel=0.12)

    @pytest.mark.parametrize(("tokens", "blocks"), [(20_000, 1952), (29_000, 1478)])
    def test_llama_8b_as_vllm_reported_it_on_an_rtx_3090(self, tokens: int, blocks: int) -> None:
        """vllm-project/vllm #10517: 23.58 GiB, of which 90 %; weights 14.99; non-torch .35; graphs not counted then."""
        llama = model(config=LLAMA_8B, weight_bits=16, max_model_len=tokens, max_num_batched_tokens=tokens)
        need = need_of(llama)
        assert need.weight_bytes / GIB == pytest.approx(14.9888, rel=0.005)
        assert need.kv_tokens(int(23.58 * GIB * 0.9) + GRAPH_BYTES) == pytest.approx(blocks * 16, rel=0.03)


class TestPlaces:
    def test_each_replica_has_a_gpu_until_the_load_is_carried(self) -> None:
        made = planned(model(concurrency=60), nodes=cards(5))
        assert [engine.node for engine in made.engines] == ["gpu-1", "gpu-2", "gpu-3"]
        assert made.free == [("gpu-4", 0), ("gpu-5", 0)]
        assert not made.short

    def test_replicas_that_are_asked_for_are_made(self) -> None:
        assert len(planned(model(replicas=5), nodes=cards(5)).engines) == 5

    def test_what_finds_no_room_is_told(self) -> None:
        made = planned(model(concurrency=60))
        (engine,) = made.engines
        assert made.short == {"qwen3-4b": 60 - engine.sequences}

    def test_small_models_live_beside_each_other(self) -> None:
        made = planned(model("one"), model("two", concurrency=3))
        assert [(engine.beside, engine.sleep_level) for engine in made.engines] == [(("two",), 0), (("one",), 0)]
        one, two = made.engines
        assert one.gpu_memory_utilization + two.gpu_memory_utilization <= 0.9
        assert two.kv_tokens > one.kv_tokens >= 8192

    def test_large_ones_by_turns(self) -> None:
        made = planned(model("one", weight_bits=16), model("two", weight_bits=16), nodes=cards(host_memory_gib=32))
        assert [(engine.beside, engine.sleep_level) for engine in made.engines] == [(("two",), 1), (("one",), 1)]
        assert "--enable-sleep-mode" in flags_of(made.engines[0])

    def test_without_memory_for_weights_they_are_read_from_disk_again(self) -> None:
        made = planned(model("one", weight_bits=16), model("two", weight_bits=16), nodes=cards(host_memory_gib=16))
        assert {engine.sleep_level for engine in made.engines} == {2}

    def test_who_is_pinned_shares_with_nobody_by_turns(self) -> None:
        made = planned(model("one", weight_bits=16, pinned=True), model("two", weight_bits=16))
        assert "let others sleep" in made.refused["two"]

    def test_one_that_is_too_large_is_split_over_the_gpus_of_a_node(self) -> None:
        made = planned(model(weight_bits=16, max_model_len=32_768), nodes=cards(2, gpus=2))
        (engine,) = made.engines
        assert (engine.node, engine.indexes) == ("gpu-1", (0, 1))
        assert "--tensor-parallel-size=2" in flags_of(engine)

    def test_one_that_fits_nowhere_says_what_to_do(self) -> None:
        made = planned(model(weight_bits=16, max_model_len=32_768))
        assert "lower max_model_len" in made.refused["qwen3-4b"]


models = st.builds(
    model,
    st.uuids().map(str),
    weight_bits=st.sampled_from([4, 8, 16]),
    kv_cache_bits=st.sampled_from([8, 16]),
    max_model_len=st.sampled_from([2048, 8192, 32_768]),
    concurrency=st.integers(1, 200),
    replicas=st.integers(1, 3),
    pinned=st.booleans(),
)
nodes = st.builds(
    cards,
    st.integers(1, 4),
    gpus=st.sampled_from([1, 2]),
    gpu_memory_gib=st.sampled_from([8, 12, 24]),
    host_memory_gib=st.sampled_from([8, 64]),
)


@given(st.lists(models, min_size=1, max_size=6, unique_by=lambda model: model.name), nodes)
def test_no_plan_promises_what_a_card_does_not_have(wanted: list[Model], given_nodes: Nodes) -> None:
    made = planned(*wanted, nodes=given_nodes)
    assert {engine.model.name for engine in made.engines} | set(made.refused) == {model.name for model in wanted}
    assert not {engine.model.name for engine in made.engines} & set(made.refused)
    awake: dict[tuple[str, int], float] = {}
    for engine in made.engines:
        need = need_of(engine.model, len(engine.indexes))
        share = engine.gpu_memory_utilization * visible_bytes(given_nodes.gpu_memory_gib)
        assert engine.kv_tokens >= engine.model.max_model_len
        assert need.bytes_for(engine.kv_tokens) <= share
        assert not (engine.sleep_level and engine.model.pinned)
        for index in engine.indexes:
            card = (engine.node, index)
            taken = awake.get(card, 0)
            used = engine.gpu_memory_utilization
            awake[card] = max(taken, used) if engine.sleep_level else taken + used
    assert all(used <= 0.9 + 1e-9 for used in awake.values())
    assert not set(made.free) & set(awake)


class TestFiles:
    def test_a_file_is_read_with_configs_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "qwen.json").write_text(json.dumps({**QWEN3_4B, "architectures": ["Qwen3ForCausalLM"]}))
        (tmp_path / "gpus.yaml").write_text(
            "nodes: [{names: [a, b], gpu: RTX 3060, gpu_memory_gib: 12}]\n"
            "models: [{name: q, source: Qwen/Qwen3-4B-AWQ, config: qwen.json, weight_bits: 4, max_model_len: 8192}]\n"
        )
        wishes = read_wishes(tmp_path / "gpus.yaml")
        assert [engine.node for engine in plan(wishes).engines] == ["a"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("nodes: [", "gpus.yaml"),
            ("nodes: []\nmodels: []\nspeed: 5", "speed"),
            ("nodes: [{names: [a, a], gpu: x, gpu_memory_gib: 1}]\nmodels: []", "two nodes named a"),
            ("nodes: []\nmodels: [{name: q, source: s, config: none.json, max_model_len: 1}]", "none.json"),
            ("nodes: []\nmodels: [{name: q, source: s, config: {}, max_model_len: 4096}]", "num_hidden_layers"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "gpus.yaml").write_text(text)
        with pytest.raises(PlanError, match=said):
            read_wishes(tmp_path / "gpus.yaml")

    def test_what_the_sums_do_not_hold_for_is_refused(self) -> None:
        for more in ({"num_experts": 8}, {"layer_types": ["full_attention", "linear_attention"]}):
            with pytest.raises(PlanError, match="not planned for"):
                architecture_of({**QWEN3_4B, **more})
