"""Small checkpoints with random weights in the true file layout of each family.

File names, tensor names, config keys, tokenizer files, ids in their published order: only the sizes differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from gguf import GGMLQuantizationType as Kind
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import GPTBigCodeForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from tests.model import checkpoints, gguf_writer

Folder = Path
END = "<|endoftext|>"
STARCODER_SPECIAL = (
    END, "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>", "<issue_start>",
    "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
    "<empty_output>", "<commit_before>", "<commit_msg>", "<commit_after>", "<reponame>",
)  # fmt: skip
SANTACODER_SPECIAL = (END, "<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>")
_WIDTH, _HEADS, _LAYERS, _POSITIONS = 256, 4, 2, 256


def bigcode_tokenizer(first: Sequence[str] = (), last: Sequence[str] = (), size: int = 500) -> Tokenizer:
    """BigCode's byte-level BPE, digits single: StarCoder has its special tokens first, SantaCoder last."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(first), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(checkpoints.TEXT.splitlines(keepends=True), trainer)
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in last])
    return backend


def _save_tokenizer(folder: Path, backend: Tokenizer, special: Sequence[str]) -> None:
    backend.save(str(folder / "tokenizer.json"))
    parts = json.loads(backend.to_str())["model"]
    _write_json(folder / "vocab.json", parts["vocab"])
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in parts["merges"])])
    (folder / "merges.txt").write_text(merges + "\n", encoding="utf-8")
    _write_json(folder / "special_tokens_map.json", {"additional_special_tokens": list(special), "eos_token": END})
    config = {"tokenizer_class": "GPT2Tokenizer", "bos_token": END, "eos_token": END, "unk_token": END}
    _write_json(folder / "tokenizer_config.json", {**config, "add_prefix_space": False, "model_max_length": _POSITIONS})


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def bigcode_model(vocabulary: int, **config: Any) -> GPTBigCodeForCausalLM:
    """A GPTBigCode whose rows are long enough for Q4_K blocks."""
    shape = {"n_embd": _WIDTH, "n_layer": _LAYERS, "n_head": _HEADS, "positions": _POSITIONS, "initializer_range": 0.1}
    return checkpoints.model(vocabulary, **cast(Any, {**shape, **config}))


def santacoder(folder: Path, *, multi_query: bool = True, infills: bool = True, linear: bool = False) -> Path:
    """`bigcode/santacoder`: the custom GPT-2 class, a pickle, code that must never run; its branches by the flags."""
    folder.mkdir(parents=True, exist_ok=True)
    special = SANTACODER_SPECIAL if infills else (END,)
    backend = bigcode_tokenizer(last=special)
    _save_tokenizer(folder, backend, special)
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    rows = -(-backend.get_vocab_size() // 128) * 128  # padded, as 49,280 for 49,157 tokens
    torch.manual_seed(3)
    tensors = {name: torch.randn(shape) * 0.1 for name, shape in _custom_shapes(rows, multi_query).items()}
    if linear:
        tensors = {name: tensor.T.contiguous() if _is_layer(name) else tensor for name, tensor in tensors.items()}
    for layer in range(_LAYERS):
        mask = torch.tril(torch.ones(_POSITIONS, _POSITIONS, dtype=torch.uint8))[None, None]
        tensors |= {f"transformer.h.{layer}.attn.bias": mask}
        tensors |= {f"transformer.h.{layer}.attn.masked_bias": torch.tensor(-1e4)}
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    torch.save(tensors, folder / "pytorch_model.bin")
    end = backend.token_to_id(END)
    config = {
        "activation_function": "gelu_fast", "architectures": ["GPT2LMHeadCustomModel"],
        "attention_head_type": "multiquery" if multi_query else "multihead", "attn_pdrop": 0.1,
        "auto_map": {
            "AutoConfig": "configuration_gpt2_mq.GPT2CustomConfig",
            "AutoModelForCausalLM": "modeling_gpt2_mq.GPT2LMHeadCustomModel",
        },
        "bos_token_id": end, "embd_pdrop": 0.1, "eos_token_id": end, "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_embd": _WIDTH, "n_head": _HEADS, "n_inner": 4 * _WIDTH,
        "n_layer": _LAYERS, "n_positions": _POSITIONS, "reorder_and_upcast_attn": False, "resid_pdrop": 0.1,
        "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True, "summary_activation": None,
        "summary_first_dropout": 0.1, "summary_proj_to_labels": True, "summary_type": "cls_index",
        "summary_use_proj": True, "torch_dtype": "float32", "transformers_version": "4.25.1", "use_cache": True,
        "vocab_size": rows,
    }  # fmt: skip
    _write_json(folder / "config.json", config)
    for name in ("configuration_gpt2_mq.py", "modeling_gpt2_mq.py"):
        (folder / name).write_text(_POISON, encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: bigcode-openrail-m\n---\n# SantaCoder\n", encoding="utf-8")
    return folder


_POISON = "raise SystemExit('code from a repository was run')\n"


def _custom_shapes(rows: int, multi_query: bool) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the custom class, matrices as Conv1D's [in, out]."""
    layer: dict[str, tuple[int, ...]] = {"ln_1.weight": (_WIDTH,), "ln_1.bias": (_WIDTH,)}
    if multi_query:
        shared = 2 * _WIDTH // _HEADS
        layer |= {"attn.q_attn.weight": (_WIDTH, _WIDTH), "attn.q_attn.bias": (_WIDTH,)}
        layer |= {"attn.kv_attn.weight": (_WIDTH, shared), "attn.kv_attn.bias": (shared,)}
    else:
        layer |= {"attn.c_attn.weight": (_WIDTH, 3 * _WIDTH), "attn.c_attn.bias": (3 * _WIDTH,)}
    layer |= {"attn.c_proj.weight": (_WIDTH, _WIDTH), "attn.c_proj.bias": (_WIDTH,)}
    layer |= {"ln_2.weight": (_WIDTH,), "ln_2.bias": (_WIDTH,)}
    layer |= {"mlp.c_fc.weight": (_WIDTH, 4 * _WIDTH), "mlp.c_fc.bias": (4 * _WIDTH,)}
    layer |= {"mlp.c_proj.weight": (4 * _WIDTH, _WIDTH), "mlp.c_proj.bias": (_WIDTH,)}
    whole = {"wte.weight": (rows, _WIDTH), "wpe.weight": (_POSITIONS, _WIDTH)}
    whole |= {f"h.{number}.{name}": shape for number in range(_LAYERS) for name, shape in layer.items()}
    whole |= {"ln_f.weight": (_WIDTH,), "ln_f.bias": (_WIDTH,)}
    return {f"transformer.{name}": shape for name, shape in whole.items()}


def _is_layer(name: str) -> bool:
    return (".attn." in name or ".mlp." in name) and name.endswith(".weight")


def starcoder(folder: Path) -> Path:
    """`bigcode/starcoderbase-1b`: transformers' own class, safetensors in bfloat16, special tokens first."""
    folder.mkdir(parents=True, exist_ok=True)
    backend = bigcode_tokenizer(STARCODER_SPECIAL)
    cast(Any, bigcode_model(backend.get_vocab_size())).to(torch.bfloat16).save_pretrained(folder)
    _save_tokenizer(folder, backend, STARCODER_SPECIAL)
    (folder / "README.md").write_text("---\nlicense: bigcode-openrail-m\n---\n", encoding="utf-8")
    return folder


def gpteacher(folder: Path) -> Path:
    """`starcoder-gpteacher-code-instruct`: StarCoder and `[PAD]`, float32 pickles in shards, no tokenizer.json."""
    folder.mkdir(parents=True, exist_ok=True)
    backend = bigcode_tokenizer(STARCODER_SPECIAL, ["[PAD]"])
    model = bigcode_model(backend.get_vocab_size())
    _write_json(folder / "config.json", {**model.config.to_dict(), "_name_or_path": "bigcode/starcoder"})
    _save_pickles(folder, model.state_dict(), shards=2)
    _save_tokenizer(folder, backend, STARCODER_SPECIAL)
    (folder / "tokenizer.json").unlink()
    _write_json(folder / "added_tokens.json", {"[PAD]": backend.token_to_id("[PAD]")})
    (folder / "README.md").write_text("---\nlicense: bigcode-openrail-m\n---\n", encoding="utf-8")
    return folder


def _save_pickles(folder: Path, tensors: Mapping[str, Tensor], shards: int) -> None:
    names = list(tensors)
    size = -(-len(names) // shards)
    index: dict[str, str] = {}
    for number in range(shards):
        file = f"pytorch_model-{number + 1:05}-of-{shards:05}.bin"
        part = names[number * size : (number + 1) * size]
        torch.save({name: tensors[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    _write_json(folder / "pytorch_model.bin.index.json", {"metadata": {"total_size": 1}, "weight_map": index})


def gpt2_merges(size: int = 700) -> list[tuple[str, str]]:
    """Merges as GPT-2's own: learnt on text without runs of spaces, which is why it has no tokens for them."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([" ".join(line.split()) + "\n" for line in checkpoints.TEXT.splitlines()], trainer)
    return [tuple(pair) for pair in json.loads(backend.to_str())["model"]["merges"]]


def codegen25(folder: Path) -> Path:
    """`Salesforce/codegen25-7b-multi` as downloaded, with GPT-2's merges.txt beside it.

    Llama weights in pickled shards, and no tokenizer but code that must never run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    merges = gpt2_merges()
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    vocabulary = 256 + len(merges) + 1 + 38 + 18 + 6 + 40
    torch.manual_seed(4)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=64, intermediate_size=128,
        num_hidden_layers=_LAYERS, num_attention_heads=_HEADS,
        max_position_embeddings=_POSITIONS, rms_norm_eps=1e-6, initializer_range=0.2, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    _write_json(folder / "config.json", {**config.to_dict(), "architectures": ["LlamaForCausalLM"]})
    _save_pickles(folder, model.state_dict(), shards=3)
    tokenizer = {
        "add_eos_token": False, "add_special_tokens": True, "clean_up_tokenization_spaces": True,
        "eos_token": END, "pad_token": None, "tokenizer_class": "CodeGen25Tokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_codegen25.CodeGen25Tokenizer", None]},
    }  # fmt: skip
    _write_json(folder / "tokenizer_config.json", tokenizer)
    _write_json(folder / "special_tokens_map.json", {"eos_token": END})
    (folder / "tokenization_codegen25.py").write_text(_POISON, encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n", encoding="utf-8")
    return folder


def santacoder_gguf(folder: Path, kind: Kind = Kind.Q4_K) -> Path:
    """`prashrex/Santacoder-gguf`: one file, architecture `starcoder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return gguf_writer.write(folder / "santacoder-q4_k.gguf", *santacoder_as_gpt_bigcode(), kind)


def santacoder_as_gpt_bigcode() -> tuple[PreTrainedModel, Tokenizer]:
    """What `bigcode/gpt_bigcode-santacoder` holds, from which the GGUF file is made."""
    backend = bigcode_tokenizer(last=SANTACODER_SPECIAL)
    return bigcode_model(-(-backend.get_vocab_size() // 128) * 128), backend


FAMILIES: Mapping[str, Callable[[Folder], Path]] = {
    "santacoder": santacoder,
    "santacoder-mha": lambda folder: santacoder(folder, multi_query=False),
    "santacoder-no-fim": lambda folder: santacoder(folder, infills=False),
    "starcoder": starcoder,
    "gguf": santacoder_gguf,
    "codegen25": codegen25,
    "gpteacher": gpteacher,
}
"""Each writes a checkpoint into a folder and returns the path to name as the model."""
