"""What vLLM is told, by the plan."""

from inference.planning.placing import Engine


def flags_of(engine: Engine) -> list[str]:
    """The arguments of `vllm serve`; the model's own flags take the place of the plan's of the same name.

    Needs VLLM_SERVER_DEV_MODE=1 where it sleeps.
    """
    model = engine.model
    flags = [
        model.source,
        f"--served-model-name={model.name}",
        f"--max-model-len={model.max_model_len}",
        f"--max-num-seqs={engine.sequences}",
        f"--max-num-batched-tokens={model.max_num_batched_tokens}",
        f"--gpu-memory-utilization={engine.gpu_memory_utilization:.2f}",
        "--enable-prefix-caching",
        "--enable-prompt-tokens-details",  # cached tokens have a price of their own
        f"--max-num-queued-reqs={engine.sequences}",  # a full engine says so, and the next one answers
    ]
    if model.kv_cache_bits == 8:
        flags.append("--kv-cache-dtype=fp8")
    if len(engine.indexes) > 1:
        flags.append(f"--tensor-parallel-size={len(engine.indexes)}")
    if engine.sleep_level:
        flags.append("--enable-sleep-mode")
    own = {flag.partition("=")[0] for flag in model.flags}
    return [*(flag for flag in flags if flag.partition("=")[0] not in own), *model.flags]
