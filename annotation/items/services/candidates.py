"""Writes about items and candidates: everything is decided and stored before the first token."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from annotation.common.seeds import derive_seed
from annotation.items.asking import is_together
from annotation.items.models import Candidate, Draw, Item
from annotation.items.queries import drawable, entries_used, servable, silent_entries
from annotation.items.recipes import RECIPES, Pick, entries_needed, replacement
from annotation.studies.document.models import ModelRules
from annotation.studies.document.recipes import CandidateRecipe, SetRecipe

Messages = Sequence[dict[str, str]]
MOST_TOKENS = 32_768


def add_live_item(*, author_id: uuid.UUID, context: dict[str, Any], now: datetime) -> Item:
    """Add an item that a talk made."""
    return Item.objects.create(origin=Item.Origin.LIVE, author_id=author_id, context=context, created_at=now)


def add_candidates(
    *,
    item: Item,
    rules: ModelRules,
    recipe: CandidateRecipe | SetRecipe,
    chosen: str,
    messages: Messages,
    seed: int,
    now: datetime,
) -> list[Candidate]:
    """Draw who answers and add one queued candidate a place, with its draw, its exact messages, sampling and seed.
    Where one call writes them all, the first has the job and is due; the others wait for its text.

    Raises `NothingToDrawError` where the pool cannot fill every place: never fewer candidates than were asked for."""
    draw_seed = derive_seed(seed, "draw")
    made_by = RECIPES[recipe.recipe]
    # for a set nobody waits, and no entry shall be drawn less for an hour's silence
    waits = not isinstance(recipe, SetRecipe)
    has_to_answer = "" if made_by.distinct else chosen
    usable, excluded = drawable(rules, entries_needed(recipe), has_to_answer) if waits else servable(rules)
    principles = recipe.principles if isinstance(recipe, SetRecipe) else ()
    picks = made_by.draw(
        k=recipe.k, pool=list(usable), chosen=chosen, rng=random.Random(draw_seed), principles=principles
    )
    candidates, draws = [], []
    for position, pick in enumerate(picks):
        candidate = Candidate(item=item, position=position, recipe=recipe.recipe)
        candidate.due_at = None if made_by.together and position else now
        candidate.provenance = {"principle": pick.principle} if pick.principle else {}
        candidate.served_model = usable[pick.entry]
        _take(candidate, pick, rules, messages, derive_seed(seed, "sample", position))
        if made_by.together:
            _ask_for_all(candidate, recipe.k)
        candidates.append(candidate)
        draws.append(_draw(candidate, pick, exclusions=excluded, seed=draw_seed, reason="first", now=now))
    Candidate.objects.bulk_create(candidates)
    Draw.objects.bulk_create(draws)
    return candidates


def replace_candidate(*, candidate: Candidate, rules: ModelRules, now: datetime) -> bool:
    """Give a failed candidate's place to an entry not yet used in its item and queue it again; where one call writes
    them all, all places of the item. `False`: none is left, nothing was changed. The caller holds the item's lock, so
    that two places never get the same entry."""
    usable, excluded = servable(rules)
    used = entries_used(candidate.item)
    seed = derive_seed(candidate.pk, "replacement", candidate.draws.count())
    silent = silent_entries(usable)
    pick = replacement(pool=[name for name in usable if name not in silent], used=used, rng=random.Random(seed))
    if pick is None:
        silent, pick = {}, replacement(pool=list(usable), used=used, rng=random.Random(seed))
    if pick is None:
        return False
    pick = replace(pick, instruction=candidate.request.get("instruction", ""))
    history = history_of(candidate.item)
    taken = {name: "already used in this item" for name in used if name in usable}
    for one in written_together(candidate):
        answers = one.request.get("answers", 1)
        one.served_model = usable[pick.entry]
        _take(one, pick, rules, history, derive_seed(seed, "sample"))
        if answers > 1:
            _ask_for_all(one, answers)
        if one.pk == candidate.pk:
            one.state, one.due_at = Candidate.State.QUEUED, now
        one.save()
        _draw(one, pick, exclusions=excluded | silent | taken, seed=seed, reason="replacement", now=now).save()
    return True


def history_of(item: Item) -> list[dict[str, str]]:
    """What is said before the candidates answer, a system message of the item's own first."""
    own = item.context.get("system_message", "")
    said = [{"role": "system", "content": own}] if own else []
    return [*said, *item.context.get("messages", [])]


def written_together(candidate: Candidate) -> list[Candidate]:
    """The candidate and whoever is written by the same call, in order."""
    if not is_together(candidate):
        return [candidate]
    others = candidate.item.candidates.exclude(pk=candidate.pk)
    return sorted([candidate, *others], key=lambda one: one.position)


def requeue_candidate(*, candidate: Candidate, due_at: datetime) -> None:
    """Queue a candidate again for the same model, not before `due_at`."""
    candidate.state, candidate.due_at = Candidate.State.QUEUED, due_at
    candidate.save(update_fields=["state", "due_at"])


def _take(candidate: Candidate, pick: Pick, rules: ModelRules, history: Messages, seed: int) -> None:
    entry = rules.entry(pick.entry)
    # what an item says itself stands in the place of the study's system message
    own = [message["content"] for message in history if message["role"] == "system"]
    said = own or [rules.system_message_of(entry)]
    system = "\n\n".join(part for part in (*said, pick.instruction) if part)
    candidate.pool_entry = entry.name
    defaults = candidate.served_model.defaults if candidate.served_model else {}
    candidate.request = {
        "messages": [
            *([{"role": "system", "content": system}] if system else []),
            *(message for message in history if message["role"] != "system"),
        ],
        "sampling": rules.sent_to(entry, defaults),
        "seed": seed,
    }
    if pick.instruction:
        candidate.request["instruction"] = pick.instruction


def _ask_for_all(candidate: Candidate, answers: int) -> None:
    """One call that writes several answers has room for as many."""
    sampling = candidate.request["sampling"]
    if "max_tokens" in sampling:
        sampling["max_tokens"] = min(sampling["max_tokens"] * answers, MOST_TOKENS)
    candidate.request["answers"] = answers


def _draw(
    candidate: Candidate, pick: Pick, *, exclusions: dict[str, str], seed: int, reason: str, now: datetime
) -> Draw:
    return Draw(
        candidate=candidate,
        pool_entry=pick.entry,
        probability=pick.probability,
        pool=list(pick.pool),
        exclusions=exclusions,
        seed=seed,
        reason=reason,
        at=now,
    )
