"""One step of training on what was exported, with TRL on a demo model. Loading what it needs takes seconds, so it is
loaded when it is asked for, and asked to stay offline first."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

WEIGHTS = str(Path("models_serving/demo/weights/demo-terse").absolute())
# what others do while they are loaded and while they train is not ours to mend: for `filterwarnings`
OTHERS = ("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::ResourceWarning")
STEP: dict[str, Any] = {
    "max_steps": 1,
    "per_device_train_batch_size": 2,
    "report_to": [],
    "use_cpu": True,
    "bf16": False,
    "save_strategy": "no",
    "disable_tqdm": True,
}


@dataclass(frozen=True)
class Step:
    """What a step came to: how many were taken, the loss, and the parameters that it moved."""

    taken: int
    loss: float
    moved: Sequence[str]


def opened(folder: Path, table: str, cache: Path) -> Any:
    """A table of a release, as `datasets` opens it under the name that the release's README gives."""
    from datasets import load_dataset  # noqa: PLC0415 - slow to load

    return load_dataset(str(folder), table, split="train", cache_dir=str(cache))


def opened_file(file: Path, cache: Path) -> Any:
    """A Parquet file, as `datasets` opens it."""
    from datasets import load_dataset  # noqa: PLC0415 - slow to load

    return load_dataset("parquet", data_files=str(file), split="train", cache_dir=str(cache))


def dpo_step(pairs: Any, folder: Path) -> Step:
    """Direct preference optimisation."""
    from trl import DPOConfig, DPOTrainer  # noqa: PLC0415 - slow to load

    model = _language_model()
    args = DPOConfig(output_dir=str(folder), learning_rate=1e-3, **STEP)
    return _taken(DPOTrainer(model=model, args=args, train_dataset=pairs, processing_class=_tokenizer()))


def reward_step(pairs: Any, folder: Path) -> Step:
    """A reward model."""
    from transformers import AutoModelForSequenceClassification  # noqa: PLC0415 - slow to load
    from trl import RewardConfig, RewardTrainer  # noqa: PLC0415 - slow to load

    tokenizer = _tokenizer()
    model = AutoModelForSequenceClassification.from_pretrained(WEIGHTS, num_labels=1, dtype="float32")
    model.config.pad_token_id = tokenizer.pad_token_id
    args = RewardConfig(output_dir=str(folder), **STEP)
    return _taken(RewardTrainer(model=model, args=args, train_dataset=pairs, processing_class=tokenizer))


def kto_step(answers: Any, folder: Path) -> Step:
    """Kahneman–Tversky optimisation, on single answers."""
    from trl import KTOConfig, KTOTrainer  # noqa: PLC0415 - slow to load

    args = KTOConfig(output_dir=str(folder), learning_rate=1e-3, **STEP)
    return _taken(KTOTrainer(model=_language_model(), args=args, train_dataset=answers, processing_class=_tokenizer()))


def _language_model() -> Any:
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - slow to load

    return AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype="float32")


def _tokenizer() -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to load

    return AutoTokenizer.from_pretrained(WEIGHTS)


def _taken(trainer: Any) -> Step:
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    result = trainer.train()
    moved = [name for name, value in trainer.model.state_dict().items() if not value.equal(before[name])]
    return Step(result.global_step, result.training_loss, moved)
