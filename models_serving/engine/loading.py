"""Loads a model that can be trusted to be what it says: pinned, safetensors only, no code of its own unless its entry
says so."""

import inspect
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars
from jinja2 import TemplateError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils.logging import disable_progress_bar

from models_serving.contracts import Message
from models_serving.engine import provenance
from models_serving.engine.packing import pack
from models_serving.engine.parameters import TOO_LONG, InvalidRequestError, resolve
from models_serving.engine.runner import Layers

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
log = logging.getLogger(__name__)
_NUMBER = re.compile(r"\.\d+(?=\.|$)")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model"]
_SHORTEST, _LONGEST = 32, 4096
_TOKENIZER = ("*token*", "vocab*", "merges*", "*.model", "*.tiktoken", "*.bpe")
# Members of generation_config.json that we follow, or that say nothing about which token comes next.
_FOLLOWED = frozenset({"eos_token_id", "repetition_penalty", "temperature", "top_p", "top_k", "min_p"})
_SILENT = frozenset(
    {
        "_from_model_config", "assistant_confidence_threshold", "bos_token_id", "cache_implementation", "chat_format",
        "decoder_start_token_id", "do_sample", "max_context_size", "max_length", "max_matching_ngram_size",
        "max_new_tokens", "max_window_size", "num_assistant_tokens", "num_assistant_tokens_schedule",
        "num_return_sequences", "output_attentions", "output_hidden_states", "output_logits", "output_scores",
        "pad_token_id", "return_dict_in_generate", "target_lookbehind", "transformers_version", "use_cache",
    }
)  # fmt: skip


class LoadError(Exception):
    """The model cannot be served; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model to load and how much room it gets. `path` is a folder or a hub id; a hub id needs `revision`, the
    full commit hash. `dtype` "auto": float32 on a CPU, the checkpoint's own elsewhere. `device` "auto": CUDA where
    there is one. `max_len` counts tokens of prompt and answer together; `slots` answers are generated at once.
    `remote_code` runs the Python files that come with the weights, with all that this process may do.
    `adapters`: folders of LoRA adapters by the names that they are served by."""

    name: str
    path: str
    revision: str = ""
    dtype: str = "auto"
    device: str = "auto"
    max_len: int | None = None
    slots: int = 8
    chat_template: str = ""
    remote_code: bool = False
    adapters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run, and everything that identifies its exact state (`facts`)."""

    name: str
    model: Any
    tokenizer: Any
    layers: Layers
    eos: frozenset[int]
    defaults: Mapping[str, Any]
    max_len: int
    max_characters: int
    facts: Mapping[str, Any]

    def check_size(self, said: Sequence[Message] | str | list[int]) -> None:
        """What is longer than so many of the longest tokens is refused before anybody takes the time to cut it up.
        Raises `InvalidRequestError`."""
        if isinstance(said, str):
            size, most, parameter = len(said), self.max_characters, "prompt"
        elif any(isinstance(one, Message) for one in said):
            texts = [one.content for one in said if isinstance(one, Message)]
            size, most, parameter = sum(map(len, texts)), self.max_characters, "messages"
        else:
            size, most, parameter = len(said), self.max_len - 1, "prompt"
        if size > most:
            verb = "leave" if parameter == "messages" else "leaves"
            message = f"the {parameter} {verb} no room for an answer in the model's context"
            raise InvalidRequestError(parameter, message, TOO_LONG)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The token ids of a conversation in the model's own chat template. Raises `InvalidRequestError`."""
        said = [{"role": message.role, "content": message.content} for message in messages]
        if self.tokenizer.chat_template is None:
            message = "the model has no chat template: it goes on from texts, and answers no conversations"
            raise InvalidRequestError("messages", message, "no_chat_template")
        try:
            text = self.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            reason = f"the model's chat template refuses these messages: {error}"
            raise InvalidRequestError("messages", reason) from error
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not ids:
            raise InvalidRequestError("messages", "the messages are empty in the model's chat template")
        return ids

    def raw_prompt(self, said: str | list[int]) -> list[int]:
        """The token ids of a text without any template, as the tokenizer itself begins one; or token ids as they are.
        Raises `InvalidRequestError`."""
        ids: list[int] = self.tokenizer(said)["input_ids"] if isinstance(said, str) else said
        if not ids:
            raise InvalidRequestError("prompt", "the prompt is empty")
        size = self.model.get_input_embeddings().num_embeddings
        if wrong := next((token for token in ids if not 0 <= token < size), None):
            raise InvalidRequestError("prompt", f"the prompt holds the token {wrong}; the model has {size}")
        if len(ids) >= self.max_len:
            message = "the prompt leaves no room for an answer in the model's context"
            raise InvalidRequestError("prompt", message, TOO_LONG)
        return ids


def load(spec: ModelSpec) -> LoadedModel:
    """Load, without running anything yet. Raises `LoadError`."""
    folder = folder_of(spec)
    if not list(folder.glob("*.safetensors")):
        raise LoadError(f"{spec.name}: no *.safetensors in {folder.name}; other weight formats are not loaded")
    device = _device(spec)
    try:
        config = config_of(spec, folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=spec.remote_code, local_files_only=True)
        layers = layers_of(config)
        max_len = length_of(spec, config.get_text_config(decoder=True))
        model, unused = _model(spec, folder, config, device)
    except (OSError, ValueError, ImportError) as error:
        raise LoadError(f"{spec.name}: {error}") from error
    except KeyError as error:
        raise LoadError(f"{spec.name}: {error} is missing in the model's files") from error
    _give_template(spec, tokenizer)
    defaults, eos = _generation_settings(folder, config, tokenizer)
    # An end that no logit stands for can never be drawn.
    eos = frozenset(end for end in eos if 0 <= end < model.get_input_embeddings().num_embeddings)
    try:
        resolve({}, defaults, room=max_len)
    except InvalidRequestError as error:
        raise LoadError(f"{spec.name}: generation_config.json: {error}") from error
    settings = {"max_len": max_len, "defaults": defaults, "eos": sorted(eos), "weights_not_used": unused}
    facts = _facts(spec, folder, model, tokenizer, settings)
    # What runs code of its own may read its weights where it likes.
    facts["layers_packed"] = 0 if spec.remote_code else pack(model)
    most = max_len * max(map(len, tokenizer.get_vocab()))
    return LoadedModel(spec.name, model, tokenizer, layers, eos, defaults, max_len, most, facts)


def hide_progress() -> None:
    """No bars on the terminal while files are fetched and read: this process' words go into a log."""
    disable_progress_bar()
    disable_progress_bars()


def layers_of(config: Any) -> Layers:
    """The kinds of attention that a model has. Raises `LoadError` for those that the slots cannot hold."""
    if config.is_encoder_decoder:
        raise LoadError("encoder-decoder models are not served; only decoder-only ones are")
    text = config.get_text_config(decoder=True)
    kinds = set(getattr(text, "layer_types", None) or ())
    if strange := sorted(kinds - {"full_attention", "sliding_attention"}):
        raise LoadError(f"layers of the kind {', '.join(strange)} are not served: they have no key-value slots")
    window = getattr(text, "sliding_window", None)
    if not kinds:
        kinds = {"full_attention" if window is None else "sliding_attention"}
    if "sliding_attention" in kinds and not window:
        raise LoadError("the model has sliding-window layers but names no window")
    return Layers({kind: window if kind == "sliding_attention" else None for kind in sorted(kinds)})


def folder_of(spec: ModelSpec) -> Path:
    """Where the model's files lie; those of a hub model are fetched first. Raises `LoadError`."""
    folder = Path(spec.path)
    if folder.is_dir():
        if spec.revision:
            raise LoadError(f"{spec.name}: {spec.path} is a folder here; `revision` belongs to a hub id")
        return folder
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", spec.path):
        raise LoadError(f"{spec.name}: {spec.path} is neither a folder nor a hub id")
    if not _COMMIT.fullmatch(spec.revision):
        raise LoadError(f"{spec.name}: a hub id needs `revision`, the full commit hash; a name can move")
    try:
        return Path(
            snapshot_download(
                spec.path,
                revision=spec.revision,
                allow_patterns=[*_WANTED, "*.py"] if spec.remote_code else _WANTED,
                ignore_patterns=["*/*", "consolidated*"],
            )
        )
    except (HfHubHTTPError, RepositoryNotFoundError, LocalEntryNotFoundError, OSError) as error:
        raise LoadError(f"{spec.name}: {spec.path} cannot be fetched: {error}") from error


def config_of(spec: ModelSpec, folder: Path) -> Any:
    """transformers' configuration of the model. Code that comes with it is run where the entry says so, but only what
    lies beside the weights, under the same revision. Raises `LoadError`, and what transformers raises."""
    for file in ("config.json", "tokenizer_config.json") if spec.remote_code else ():
        path = folder / file
        named = json.loads(path.read_text(encoding="utf-8")).get("auto_map", {}) if path.exists() else {}
        if "--" in json.dumps(named):
            raise LoadError(f"{spec.name}: {file} names code of another repository; only code of its own is run")
    return AutoConfig.from_pretrained(folder, trust_remote_code=spec.remote_code, local_files_only=True)


def _device(spec: ModelSpec) -> torch.device:
    name = spec.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise LoadError(f"{spec.name}: there is no CUDA device")
    return torch.device(name)


def _model(spec: ModelSpec, folder: Path, config: Any, device: torch.device) -> tuple[Any, list[str]]:
    """The model, and the weights of the files that it has no place for, with `*` for the numbers of layers."""
    if spec.dtype != "auto" and spec.dtype not in DTYPES:
        raise LoadError(f"{spec.name}: dtype is auto, {', '.join(DTYPES)}, not {spec.dtype}")
    chosen: Any = DTYPES.get(spec.dtype, torch.float32 if device.type == "cpu" else "auto")
    # Soft-capped attention exists only in the eager form; the others would leave the cap out.
    capped = getattr(config.get_text_config(decoder=True), "attn_logit_softcapping", None)
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=chosen,
        attn_implementation="eager" if capped else None,
        use_safetensors=True,
        trust_remote_code=spec.remote_code,
        local_files_only=True,
        output_loading_info=True,
    )
    if wrong := sorted(loading["missing_keys"]) or sorted(map(str, loading["mismatched_keys"])):
        raise LoadError(f"{spec.name}: the weights lack {', '.join(wrong[:5])}")
    if getattr(model, "_is_stateful", False):
        raise LoadError(f"{spec.name}: {type(model).__name__} keeps a state that is not served by key-value slots")
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        raise LoadError(f"{spec.name}: {type(model).__name__} cannot give single logits and is not served")
    # The self-check asks for greedy answers by no other rule.
    model.generation_config = GenerationConfig()
    unused = sorted({_NUMBER.sub(".*", str(name)) for name in loading["unexpected_keys"]})
    if unused:
        log.warning("%s has no place for the weights %s", spec.name, ", ".join(unused))
    return model.to(device).eval().requires_grad_(requires_grad=False), unused


def length_of(spec: ModelSpec, text: Any) -> int:
    """How many tokens prompt and answer may have together; `text` is the language model's configuration. Raises
    `LoadError`."""
    made_for = getattr(text, "max_position_embeddings", None) or _LONGEST
    if types := _moving_ropes(getattr(text, "rope_parameters", None) or {}):
        # Beyond the original length these change all positions with the longest row, so rows would touch each other.
        made_for = min([made_for, *types])
    if spec.max_len is not None and not _SHORTEST <= spec.max_len <= made_for:
        raise LoadError(f"{spec.name}: max_len is from {_SHORTEST} to {made_for} for this model, not {spec.max_len}")
    return spec.max_len or min(made_for, _LONGEST)


def _moving_ropes(parameters: Mapping[str, Any]) -> list[int]:
    found = [length for value in parameters.values() if isinstance(value, Mapping) for length in _moving_ropes(value)]
    if parameters.get("rope_type") in ("dynamic", "longrope"):
        found.append(int(parameters.get("original_max_position_embeddings") or _LONGEST))
    return found


def _give_template(spec: ModelSpec, tokenizer: Any) -> None:
    if spec.chat_template:
        try:
            tokenizer.chat_template = Path(spec.chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LoadError(f"{spec.name}: the chat template cannot be read: {error}") from error
    if isinstance(named := tokenizer.chat_template, dict):
        # Others are for tools and documents, which no request brings.
        if "default" not in named:
            message = f"none of the model's chat templates ({', '.join(sorted(named))}) is its default"
            raise LoadError(f"{spec.name}: {message}; name a Jinja file as `chat_template`")
        tokenizer.chat_template = named["default"]
    if tokenizer.chat_template is None:
        log.warning("%s has no chat template and answers no conversations; `chat_template` may name one", spec.name)
    try:
        # The first call also lets go of padding and truncation that a tokenizer file may ask for; later that would
        # disturb the engine's thread, which decodes with the same tokenizer.
        said = [{"role": "user", "content": "hello"}]
        chat = tokenizer.chat_template is not None
        tokenizer(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True) if chat else "hello")
    except TemplateError as error:
        raise LoadError(f"{spec.name}: the chat template refuses a plain question: {error}") from error


def _generation_settings(folder: Path, config: Any, tokenizer: Any) -> tuple[dict[str, Any], frozenset[int]]:
    """The model's own sampling defaults and its end tokens. The file is read as it is: transformers would mix its own
    defaults in."""
    own = _generation_config(folder)
    names = ["repetition_penalty"]
    if own.get("do_sample"):
        names += ["temperature", "top_p", "top_k", "min_p"]
    ends = [own.get("eos_token_id"), config.get_text_config(decoder=True).eos_token_id, tokenizer.eos_token_id]
    flat = {end for group in ends for end in (group if isinstance(group, list) else [group])}
    return {name: own[name] for name in names if own.get(name) is not None}, frozenset(flat - {None})


def _generation_config(folder: Path) -> dict[str, Any]:
    path = folder / "generation_config.json"
    own: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return own


def _not_followed(folder: Path) -> dict[str, Any]:
    """Rules of the model's generation_config.json that would change its answers and that this engine does not know
    (typical_p, no_repeat_ngram_size, suppress_tokens, …): not followed, and said with every answer."""
    own = _generation_config(folder).items()
    rules = {name: value for name, value in own if name not in _FOLLOWED | _SILENT}
    return {name: value for name, value in rules.items() if value not in (None, 0, [], {}) and not _is_one(value)}


def _is_one(value: Any) -> bool:
    """Factors are neutral at one; a switch that is on is not."""
    return value == 1 and value is not True


def _facts(spec: ModelSpec, folder: Path, model: Any, tokenizer: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    device = model.device
    return {
        "engine": provenance.ENGINE,
        "engine_build": provenance.engine_build(),
        "source": spec.path if not Path(spec.path).is_dir() else folder.resolve().name,
        "revision": spec.revision,
        "architecture": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights_sha256": provenance.sha256_of_files(folder, "*.safetensors"),
        "config_sha256": provenance.sha256_of_files(folder, "config.json"),
        "tokenizer_sha256": provenance.sha256_of_files(folder, *_TOKENIZER),
        "template_sha256": provenance.sha256_of_text(tokenizer.chat_template) if tokenizer.chat_template else "",
        "code_sha256": provenance.sha256_of_files(folder, "*.py") if spec.remote_code else "",
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "attention": model.config._attn_implementation,
        "libraries": provenance.library_versions() | (provenance.cuda_versions() if device.type == "cuda" else {}),
        # Where the self-check does not find more: in single precision on a CPU a seed repeats a text but for rounding,
        # which depends on who shares the batch and decides once in 5 · 10⁷ tokens of a trained model, once in 4,000 of
        # one whose distribution is flat (see `sampling`); elsewhere that happens too often, and what was drawn is only
        # recorded.
        "seeds": "up to rounding" if device.type == "cpu" and model.dtype == torch.float32 else "recorded",
        "not_followed": _not_followed(folder),
        **settings,
    }
