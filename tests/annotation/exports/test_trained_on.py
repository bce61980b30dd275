"""One step of training on what was exported: a reward model and direct preference optimisation, on a demo model."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

from tests.annotation.exports.conftest import Export
from tests.factories import judged

# what others do while they are loaded and while they train is not ours to mend
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::ResourceWarning"
)
WEIGHTS = str(Path("models_serving/demo/weights/demo-terse").absolute())
STEP: dict[str, Any] = {
    "max_steps": 1,
    "per_device_train_batch_size": 4,
    "report_to": [],
    "use_cpu": True,
    "bf16": False,
    "save_strategy": "no",
    "disable_tqdm": True,
}


@pytest.fixture
def exported(db: None, export: Export) -> Callable[..., Any]:
    """Eight judged pairs, as `datasets` opens the release of a layout."""

    def opened(layout: str, **options: Any) -> Any:
        from datasets import load_dataset  # noqa: PLC0415 - slow to load, and asked for offline first

        study = judged.study({"better": judged.PREFERENCE})
        for number in range(8):
            item = judged.item(study, [f"It is {number}.", f"No idea, {number}."], f"What is {number}?")
            judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[number % 2]))
        folder = export("out", "compared", at=judged.CUT_OFF, layout=layout, writers="parquet", options=options)
        return load_dataset(str(folder), layout, split="train", cache_dir=str(folder / "cache"))

    return opened


def changed(before: dict[str, Any], model: Any) -> list[str]:
    """The parameters that a step moved."""
    return [name for name, value in model.state_dict().items() if not value.equal(before[name])]


def copied(model: Any) -> dict[str, Any]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("form", ["messages", "strings"])
def test_a_step_of_direct_preference_optimisation(exported: Callable[..., Any], tmp_path: Path, form: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - slow to load
    from trl import DPOConfig, DPOTrainer  # noqa: PLC0415 - slow to load

    pairs = exported("preference", form=form)
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype="float32")
    before = copied(model)
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(output_dir=str(tmp_path / "dpo"), learning_rate=1e-3, **STEP),
        train_dataset=pairs,
        processing_class=AutoTokenizer.from_pretrained(WEIGHTS),
    )

    result = trainer.train()

    # before the first step the policy is its own reference, so the loss is that of a coin
    assert (result.global_step, round(result.training_loss, 4)) == (1, round(math.log(2), 4))
    assert changed(before, trainer.model) != []


def test_a_step_of_a_reward_model(exported: Callable[..., Any], tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415 - slow to load
    from trl import RewardConfig, RewardTrainer  # noqa: PLC0415 - slow to load

    pairs = exported("preference")
    model = AutoModelForSequenceClassification.from_pretrained(WEIGHTS, num_labels=1, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    model.config.pad_token_id = tokenizer.pad_token_id
    before = copied(model)
    trainer = RewardTrainer(
        model=model,
        args=RewardConfig(output_dir=str(tmp_path / "reward"), **STEP),
        train_dataset=pairs,
        processing_class=tokenizer,
    )

    result = trainer.train()

    assert result.global_step == 1
    assert math.isfinite(result.training_loss)
    assert changed(before, trainer.model) != []


def test_a_step_on_single_answers(exported: Callable[..., Any], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - slow to load
    from trl import KTOConfig, KTOTrainer  # noqa: PLC0415 - slow to load

    answers = exported("unpaired_preference")
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype="float32")
    before = copied(model)
    trainer = KTOTrainer(
        model=model,
        args=KTOConfig(output_dir=str(tmp_path / "kto"), learning_rate=1e-3, **STEP),
        train_dataset=answers,
        processing_class=AutoTokenizer.from_pretrained(WEIGHTS),
    )

    result = trainer.train()

    assert (result.global_step, len(answers)) == (1, 16)
    assert changed(before, trainer.model) != []
