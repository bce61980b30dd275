"""What records of judged items are expected to hold, key by key."""

from pathlib import Path
from typing import Any

from annotation.exports.judged.names import Names
from annotation.judgements.models import Judgement
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export
from tests.factories import judged, prism_rows


def out(export: Export, layout: str, slug: str = "compared", **more: Any) -> Path:
    return export(layout or "out", slug, at=judged.CUT_OFF, layout=layout, writers="jsonl,parquet", **more)


def counts(folder: Path) -> dict[str, int]:
    found: dict[str, int] = prism_rows.manifest(folder)["counts"]
    return found


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def vote_columns(study: Study, given: Judgement, **more: Any) -> dict[str, Any]:
    """What a record says of its judgement, in order."""
    names = Names(study)
    item = given.assignment.item
    columns: dict[str, Any] = {
        "comparison_id": names.of("judgement", given.pk),
        "study": study.slug,
        "study_version": 1,
        "step": "judging",
        "protocol": "compare",
        "question": "better",
        "label_rule": "preference",
        "item_id": names.of("item", item.pk),
        "external_id": item.external_id,
        "tags": "{}",
        "made_from": "{}",
        "annotator": names.of("person", given.participation.pk),
        "annotator_kind": "person",
        "pool": "crowd",
        "stratum": None,
        "wave": 0,
        "is_gold": False,
        "repeat": 0,
        "late": False,
        "submitted_at": given.submitted_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    return columns | more


def side(study: Study, name: str, pk: str, model: str, position: int) -> dict[str, Any]:
    return {
        f"{name}_id": Names(study).of("candidate", pk),
        f"{name}_model": model,
        f"{name}_licence": "cc-by-4.0",
        f"{name}_position": position,
        f"{name}_media": [],
    }
