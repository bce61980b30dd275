"""One step of training on what was exported: direct preference optimisation, a reward model, and single answers, on a
demo model."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.annotation.exports.conftest import Export
from tests.factories import judged, training

pytestmark = [pytest.mark.filterwarnings(ignored) for ignored in training.OTHERS]
Exported = Callable[..., Any]


@pytest.fixture
def exported(db: None, export: Export) -> Exported:
    """Eight judged pairs, as `datasets` opens the release of a layout."""

    def opened(layout: str, **options: Any) -> Any:
        study = judged.study({"better": judged.PREFERENCE})
        for number in range(8):
            item = judged.item(study, [f"It is {number}.", f"No idea, {number}."], f"What is {number}?")
            judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[number % 2]))
        folder = export("out", "compared", at=judged.CUT_OFF, layout=layout, writers="parquet", options=options)
        return training.opened(folder, layout, folder / "cache")

    return opened


@pytest.mark.parametrize("form", ["messages", "strings"])
def test_a_step_of_direct_preference_optimisation(exported: Exported, tmp_path: Path, form: str) -> None:
    step = training.dpo_step(exported("preference", form=form), tmp_path / "dpo")
    # before the first step the policy is its own reference, so the loss is that of a coin
    assert (step.taken, round(step.loss, 4)) == (1, round(math.log(2), 4))
    assert step.moved != []


def test_a_step_of_a_reward_model(exported: Exported, tmp_path: Path) -> None:
    step = training.reward_step(exported("preference"), tmp_path / "reward")
    assert (step.taken, math.isfinite(step.loss)) == (1, True)
    assert step.moved != []


def test_a_step_on_single_answers(exported: Exported, tmp_path: Path) -> None:
    answers = exported("unpaired_preference")
    step = training.kto_step(answers, tmp_path / "kto")
    assert (step.taken, len(answers)) == (1, 16)
    assert step.moved != []
