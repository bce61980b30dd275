"""Tiny models with random weights, one per kind of attention, saved as a model folder like any other."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('a system message comes "
    "first') }}{% endif %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
TEXT = ["the model says one word after another", "grüße aus köln 😀 日本語", "what a day, what a night"]
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "eos_token_id": 1,
    "bos_token_id": None,
    "pad_token_id": 0,
    # Larger weights than usual: the next token then really depends on what came before.
    "initializer_range": 0.3,
}
KINDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "qwen2": (
        Qwen2ForCausalLM,
        Qwen2Config,
        {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
    ),
    "mistral": (MistralForCausalLM, MistralConfig, {"sliding_window": 16}),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config, {"sliding_window": 16, "head_dim": 8, "query_pre_attn_scalar": 8}),
    "gemma3": (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        # one layer in two looks at everything, with a rotation of its own
        {"sliding_window": 16, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window_pattern": 2},
    ),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"head_dim": 8}),
    "phi": (PhiForCausalLM, PhiConfig, {"num_key_value_heads": 4}),
    "phi3": (Phi3ForCausalLM, Phi3Config, {"sliding_window": 16}),
    # one layer in two has no rotation
    "smollm3": (SmolLM3ForCausalLM, SmolLM3Config, {"no_rope_layer_interval": 2}),
}
WINDOWED = {"qwen2", "mistral", "gemma2", "gemma3", "phi3"}


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE with few merges: most characters beyond ASCII take several tokens."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(TEXT, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>")
    made.chat_template = TEMPLATE
    return made


@cache
def llama_like_tokenizer() -> PreTrainedTokenizerFast:
    """As Llama 2 has it: spaces are a letter, unknown characters fall back to bytes, a leading space is stripped."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    words = ["\u2581", *"abcdefgü", "\u2581ab", "\u2581a", "ab", "bc"]
    vocabulary = {token: number for number, token in enumerate(["<unk>", *SPECIAL, *bytes_, *words])}
    merges = [("\u2581", "a"), ("a", "b"), ("\u2581a", "b"), ("b", "c")]
    raw = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    raw.add_special_tokens(SPECIAL)
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    steps = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    raw.decoder = decoders.Sequence(steps)
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>", unk_token="<unk>")


def save(kind: str, folder: Path, *, seed: int = 0, template: bool = True, **changes: Any) -> Path:
    """Make a model of the kind and save it as a folder."""
    model_class, config_class, special = KINDS[kind]
    torch.manual_seed(seed)
    model = model_class(config_class(vocab_size=len(tokenizer()), **(SHAPE | special | changes)))
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    if not template:
        (folder / "chat_template.jinja").unlink()
    return folder


def save_adapter(base: Path, folder: Path, *, seed: int, rank: int = 4, **settings: Any) -> Path:
    """Make a LoRA adapter of a model's attention and save it as peft does."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base)
    tensors = {}
    for name, module in model.named_modules():
        if name.endswith(("q_proj", "v_proj", "down_proj")):
            tensors[f"base_model.model.{name}.lora_A.weight"] = torch.randn(rank, module.in_features)
            tensors[f"base_model.model.{name}.lora_B.weight"] = torch.randn(module.out_features, rank)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2, "bias": "none", "use_dora": False}
    (folder / "adapter_config.json").write_text(json.dumps(config | settings))
    return folder


def merge(base: Path, adapter: Path, folder: Path) -> Path:
    """The base model with the adapter worked into its weights: W + alpha / rank · B·A, by the formula itself."""
    model = AutoModelForCausalLM.from_pretrained(base)
    tensors = load_file(adapter / "adapter_model.safetensors")
    config = json.loads((adapter / "adapter_config.json").read_text())
    for key in [key for key in tensors if ".lora_A." in key]:
        down, up = tensors[key], tensors[key.replace("lora_A", "lora_B")]
        scale = config["lora_alpha"] / (down.shape[0] ** 0.5 if config.get("use_rslora") else down.shape[0])
        module = model.get_submodule(key.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
        module.weight.data += scale * up @ down
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def set_generation_config(folder: Path, **settings: Any) -> None:
    """Write a generation_config.json of exactly these members."""
    (folder / "generation_config.json").write_text(json.dumps(settings))
