"""One study with something in every list of the API, for tests that walk all of it."""

from typing import Any

from django.utils import timezone

from annotation.exports.models import ExportRun
from annotation.items.models import Candidate, Item, ItemSet, SetJob
from tests.factories import talks
from tests.factories.studies import study
from tests.factories.tokens import researcher, token


class World:
    """Somebody talked and judged; there is an item set with an item, a job, and a release."""

    def __init__(self) -> None:
        talks.served()
        self.study = study(talks.document())
        self.owner = researcher(self.study)
        turn = talks.answered(talks.conversation(talks.talker(self.study)))
        judgement = talks.judged(turn).judgement
        now = timezone.now()
        rows = ItemSet.objects.create(study=self.study, name="pairs")
        item = Item.objects.create(item_set=rows, origin="imported", external_id="one", created_at=now)
        Candidate.objects.create(item=item, position=0, state="final", content={"text": "Words"})
        job = SetJob.objects.create(item_set=rows, kind="import", created_at=now)
        run = ExportRun.objects.create(
            study=self.study, layout="prism", layout_version="1", cut_off=now, created_at=now
        )
        self.ids: dict[str, Any] = {
            "studies": self.study.slug,
            "versions": 1,
            "item-sets": rows.pk,
            "items": str(item.pk),
            "set-jobs": str(job.pk),
            "assignments": str(judgement.assignment_id),
            "judgements": str(judgement.pk),
            "annotators": str(judgement.participation_id),
            "conversations": str(turn.conversation_id),
            "exports": str(run.pk),
            "files": "manifest.json",
        }

    def secret(self, scope: str) -> str:
        """A token with one scope."""
        return token(self.owner, scope, study=self.study)[1]

    def real(self, path: str) -> dict[str, Any]:
        """What to put into the braces of `/api/v1/studies/{slug}/…`, so that there is something."""
        parts = path.split("/")
        return {part[1:-1]: self.ids[parts[number - 1]] for number, part in enumerate(parts) if part.startswith("{")}
