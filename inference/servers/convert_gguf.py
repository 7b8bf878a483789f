"""Turns a GGUF file from an installed package into the safetensors folder that vLLM reads, once."""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from inference.servers.packages import find_in_package


def convert(gguf: Path, target: Path) -> None:
    """Write beside the target and rename at the end: half a conversion is never mistaken for a model."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)

    _say(f"reading {gguf.name}")
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    _say("unpacking the quantized weights to bfloat16")
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    # vLLM would otherwise look for quantized weights, which are quantized no more.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    _say("writing safetensors")
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    _drop_quantization(partial / "config.json")
    partial.rename(target)
    _say(f"done: {sum(f.stat().st_size for f in target.iterdir()) >> 20} MiB")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _drop_quantization(config: Path) -> None:
    content = json.loads(config.read_text())
    content.pop("quantization_config", None)
    config.write_text(json.dumps(content, indent=2))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", required=True, help="distribution that carries the file")
    parser.add_argument("--suffix", default=".gguf")
    parser.add_argument("--target", type=Path, required=True)
    options = parser.parse_args()
    if not (options.target / "config.json").is_file():
        convert(find_in_package(options.package, options.suffix), options.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
