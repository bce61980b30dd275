"""From a file of pairs to a trained model, by the commands that a researcher types: the pairs are imported, bots judge
them side by side over HTTP, and what they said is exported, counted against the database, and trained on."""

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from annotation.judgements.models import Judgement
from annotation.studies.models import Study
from tests.factories import training

pytestmark = [pytest.mark.filterwarnings(ignored) for ignored in training.OTHERS]
PAIRS = Path("tests/annotation/items/fixtures/open_instruct.jsonl")
BOTS, ITEMS = 4, 3
NO_WINNER = ("tie", "both_bad", "cannot_judge")
DOCUMENT: dict[str, Any] = {
    "study": "from_a_file",
    "title": "Which answer is better?",
    "item_sets": {"pairs": {"licence": "Apache-2.0"}},
    "questions": {
        "mark": {"kind": "likert", "text": "How good?", "points": {"count": 5, "ends": ["Bad", "Good"]}},
        "better": {"kind": "preference", "text": "Which is better?", "both_bad": True, "cannot_judge": True},
    },
    "protocols": {"pair": {"arrangement": "pair", "per_candidate": ["mark"], "about_item": ["better"]}},
    "steps": [
        {"comparisons": "judging", "items": "pairs", "protocol": "pair", "overlap": BOTS, "per_person": {"min": ITEMS}},
        {"debrief": {"text": "Thank you."}},
    ],
    "export": {"layouts": ["preference", "listwise", "raw_votes"]},
}
Exported = Callable[[str, str], Any]


@pytest.fixture
def study(transactional_db: None, _web: str, tmp_path: Path) -> Study:
    """Three pairs, each judged by four bots."""
    document = tmp_path / "pairs.json"
    document.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    call_command("study", "load", str(document), "--open")
    call_command("items", "import", "from_a_file", "pairs", str(PAIRS))
    call_command("rehearse", "from_a_file", "--annotators", str(BOTS), "--seed", "5", "--at-once", "2", "--url", _web)
    return Study.objects.get(slug="from_a_file")


@pytest.fixture
def exported(study: Study, tmp_path: Path, settings: Any) -> Exported:
    """A table of a release of what the bots said, as `datasets` opens it."""
    settings.EXPORTS_DIR = tmp_path / "exports"

    def released(layout: str, table: str) -> Any:
        folder = tmp_path / layout
        if not folder.exists():
            call_command(
                "export", "from_a_file", "--rehearsal", "--layout", layout, "--writers", "parquet", "--out", str(folder)
            )
        return training.opened(folder, table, tmp_path / "cache")

    return released


def said(question: str) -> list[Any]:
    """What the bots answered about the pairs, out of the database."""
    return [one.answers[question][""]["value"] for one in Judgement.objects.all()]


def test_what_bots_judged_is_read_back_counted_and_trained_on(study: Study, exported: Exported, tmp_path: Path) -> None:
    judgements = Judgement.objects.filter(participation__study=study, participation__rehearsal=True)
    assert judgements.count() == BOTS * ITEMS
    words = Counter(value if value in NO_WINNER else "winner" for value in said("better"))
    # what this seed says has to hold something for a trainer
    assert words["winner"] > 0

    votes, lists, pairs = (
        exported("raw_votes", "raw_votes"),
        exported("listwise", "listwise"),
        exported("preference", "preference"),
    )
    found = Counter(
        "winner" if row["label"] in {"a", "b"} else row["label"] for row in votes if row["question"] == "better"
    )
    assert found == words
    assert Counter(votes["question"]) == {"better": BOTS * ITEMS, "mark": BOTS * ITEMS}
    assert len(lists) == BOTS * ITEMS - words["cannot_judge"]
    assert len(pairs) == len(exported("listwise", "pairs")) == words["winner"]
    assert set(votes["external_id"]) == {json.loads(line)["id"] for line in PAIRS.read_text("utf-8").splitlines()}

    dpo = training.dpo_step(pairs, tmp_path / "dpo")
    assert (dpo.taken, round(dpo.loss, 4), dpo.moved != []) == (1, round(math.log(2), 4), True)
    reward = training.reward_step(pairs, tmp_path / "reward")
    assert (reward.taken, math.isfinite(reward.loss), reward.moved != []) == (1, True, True)
