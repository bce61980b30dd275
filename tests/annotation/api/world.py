"""One study with something in every list of the API, for tests that walk all of it."""

from typing import Any

from django.utils import timezone

from annotation.api.models import ApiToken
from annotation.api.services.judging import lease_card
from annotation.exports.models import ExportRun
from annotation.items.services.imports import receive_file
from annotation.judgements.services import store_before
from tests.factories import comparisons, talks
from tests.factories.studies import study
from tests.factories.tokens import researcher, token

PLENTY = 100
LINE = b'{"prompt": "Why?", "response_a": "So.", "response_b": "Thus."}'


def document() -> dict[str, Any]:
    """Talks, and pairs about which one may say something, or leave it."""
    made = talks.document(item_sets={"pairs": {}})
    made["questions"]["first"] = {"kind": "short_text", "text": "What counts?", "required": False}
    made["questions"]["note"] = {"kind": "long_text", "text": "What strikes you?", "required": False}
    made["protocols"]["look"] = {"arrangement": "pair", "before": ["first"], "about_item": ["note"]}
    compare = {"comparisons": "judge", "items": "pairs", "protocol": "look", "overlap": 1, "skip": {}}
    made["steps"].insert(1, compare)
    return made


class World:
    """Somebody talked and judged; there is an item set with items and their places, a job, and a release."""

    def __init__(self) -> None:
        talks.served()
        self.study = study(document())
        self.owner = researcher(self.study)
        turn = talks.answered(talks.conversation(talks.talker(self.study)))
        judgement = talks.judged(turn).judgement
        item = comparisons.add_items(self.study, PLENTY)[0]
        comparisons.open_all(self.study)
        now = timezone.now()
        assert item.item_set is not None
        job = receive_file(item_set=item.item_set, file_name="a.jsonl", pieces=[LINE], actor="test", now=now)
        run = ExportRun.objects.create(
            study=self.study, layout="prism", layout_version="1", cut_off=now, created_at=now
        )
        self.judge: ApiToken | None = None
        self.ids: dict[str, Any] = {
            "studies": self.study.slug,
            "versions": 1,
            "item-sets": item.item_set_id,
            "items": str(item.pk),
            "set-jobs": str(job.pk),
            "assignments": str(judgement.assignment_id),
            "judgements": str(judgement.pk),
            "annotators": str(judgement.participation_id),
            "conversations": str(turn.conversation_id),
            "exports": str(run.pk),
            "files": "manifest.json",
            "media": str(item.pk),
        }

    def secret(self, scope: str) -> str:
        """A token with one scope; a judge's comes with a place to judge."""
        made, secret = token(self.owner, scope, study=self.study)
        self.judge = made if scope == "judge" else None
        return secret

    def real(self, path: str) -> dict[str, Any]:
        """What to put into the braces of `/api/v1/studies/{slug}/…`, so that there is something."""
        if self.judge is not None:
            place = lease_card(token=self.judge, step="", now=timezone.now())
            assert place is not None
            who = place.participation
            if who is not None and not path.endswith("/before/") and not place.presentation.before:
                said = {"first": ["Words"]}
                store_before(assignment_id=place.pk, participation=who, fields=said, timings={}, now=timezone.now())
            self.ids["assignments"] = str(place.pk)
        parts = path.split("/")
        return {part[1:-1]: self.ids[parts[number - 1]] for number, part in enumerate(parts) if part.startswith("{")}

    def body(self, path: str) -> dict[str, Any] | None:
        """A body that is accepted there, where one is needed."""
        bodies = {
            "before": {"answers": {"first": "Words"}},
            "submit": {"fields": {"note": "Nothing much."}},
            "exports": {"study": self.study.slug, "layout": "prism"},
            "lease": {"step": "judge"},
            "uploads": {"file": LINE},
            "check": {},
            "item-sets": {"study": self.study.slug, "name": "more"},
            "items": {"items": [{"external_id": "one", "context": {"criterion": "Brevity"}}]},
        }
        return bodies.get(path.strip("/").split("/")[-1])
