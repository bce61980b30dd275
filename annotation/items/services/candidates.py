"""Writes about items and candidates: everything is decided and stored before the first token."""

import random
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from annotation.common.seeds import derive_seed
from annotation.items.models import Candidate, Draw, Item
from annotation.items.queries import entries_used, servable
from annotation.items.recipes import RECIPES, Pick, replacement
from annotation.studies.document.models import ModelRules
from annotation.studies.document.recipes import CandidateRecipe

Messages = Sequence[dict[str, str]]


def add_live_item(*, author_id: uuid.UUID, context: dict[str, Any], now: datetime) -> Item:
    """Add an item that a talk made."""
    return Item.objects.create(origin=Item.Origin.LIVE, author_id=author_id, context=context, created_at=now)


def add_candidates(
    *, item: Item, rules: ModelRules, recipe: CandidateRecipe, chosen: str, messages: Messages, seed: int, now: datetime
) -> list[Candidate]:
    """Draw who answers and add one queued candidate a place, with its draw, its exact messages, sampling and seed.

    Raises `NothingToDrawError` where the pool cannot fill every place: never fewer candidates than were asked for."""
    usable, excluded = servable(rules)
    draw_seed = derive_seed(seed, "draw")
    picks = RECIPES[recipe.recipe].draw(k=recipe.k, pool=list(usable), chosen=chosen, rng=random.Random(draw_seed))
    candidates = []
    for position, pick in enumerate(picks):
        candidate = Candidate(item=item, position=position, recipe=recipe.recipe, due_at=now)
        _take(candidate, pick, rules, messages, derive_seed(seed, "sample", position))
        candidate.served_model = usable[pick.entry]
        candidate.save()
        _note_draw(candidate, pick, exclusions=excluded, seed=draw_seed, reason="first", now=now)
        candidates.append(candidate)
    return candidates


def replace_candidate(*, candidate: Candidate, rules: ModelRules, now: datetime) -> bool:
    """Give a failed candidate's place to an entry not yet used in its item and queue it again. `False`: none is left,
    nothing was changed. The caller holds the item's lock, so that two places never get the same entry."""
    usable, excluded = servable(rules)
    used = entries_used(candidate.item)
    seed = derive_seed(candidate.pk, "replacement", candidate.draws.count())
    pick = replacement(pool=list(usable), used=used, rng=random.Random(seed))
    if pick is None:
        return False
    system = {message["role"] for message in candidate.request["messages"][:1]} == {"system"}
    history = candidate.request["messages"][1 if system else 0 :]
    _take(candidate, pick, rules, history, derive_seed(seed, "sample"))
    candidate.served_model = usable[pick.entry]
    candidate.state, candidate.due_at = Candidate.State.QUEUED, now
    candidate.save()
    taken = {name: "already used in this item" for name in used if name in usable}
    _note_draw(candidate, pick, exclusions=excluded | taken, seed=seed, reason="replacement", now=now)
    return True


def requeue_candidate(*, candidate: Candidate, due_at: datetime) -> None:
    """Queue a candidate again for the same model, not before `due_at`."""
    candidate.state, candidate.due_at = Candidate.State.QUEUED, due_at
    candidate.save(update_fields=["state", "due_at"])


def _take(candidate: Candidate, pick: Pick, rules: ModelRules, history: Messages, seed: int) -> None:
    entry = rules.entry(pick.entry)
    system = rules.system_message_of(entry)
    candidate.pool_entry = entry.name
    candidate.request = {
        "messages": [*([{"role": "system", "content": system}] if system else []), *history],
        "sampling": rules.sampling_of(entry).model_dump(mode="json", exclude_none=True),
        "seed": seed,
    }


def _note_draw(
    candidate: Candidate, pick: Pick, *, exclusions: dict[str, str], seed: int, reason: str, now: datetime
) -> None:
    Draw.objects.create(
        candidate=candidate,
        pool_entry=pick.entry,
        probability=pick.probability,
        pool=list(pick.pool),
        exclusions=exclusions,
        seed=seed,
        reason=reason,
        at=now,
    )
