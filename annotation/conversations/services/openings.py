"""Shared first messages: which one a talk begins with."""

import random

from django.db.models import Count, Q

from annotation.common.seeds import derive_seed
from annotation.conversations.models import Conversation
from annotation.items.models import Item, ItemSet
from annotation.participation.models import Participation
from annotation.studies.document.steps import ConversationsStep

State = Conversation.State
COUNTED = (State.OPEN, State.AFTER, State.FINISHED)


def opening_for(*, participation: Participation, step: ConversationsStep, number: int) -> Item | None:
    """The least used message of the set that this person has not had yet, for the share of talks that begin with one;
    `None` where this talk does not, or all are used up. Bots and people are counted apart, talks that were left do not
    count. The set's row stays locked until the caller's transaction ends, so that none is begun once too often."""
    rules = step.shared_openings
    if rules is None:
        return None
    drawn = random.Random(derive_seed(participation.seed, step.name, number, "opening")).random()
    found = ItemSet.objects.select_for_update(no_key=True).filter(study=participation.study_id, name=rules.items)
    item_set = found.first()
    if drawn >= rules.share or item_set is None:
        return None
    counted = Q(talks__participation__rehearsal=participation.rehearsal, talks__state__in=COUNTED)
    had = Conversation.objects.filter(participation=participation, opening__isnull=False).values("opening")
    free = (
        Item.objects.filter(item_set=item_set, held="")
        .exclude(pk__in=had)
        .annotate(used=Count("talks", filter=counted))
    )
    return free.filter(used__lt=rules.overlap).order_by("used", "ordinal", "pk").first()
