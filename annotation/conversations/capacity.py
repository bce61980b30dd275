"""How many live turns the models can carry. Each open talk counts for each model of its pool with the answers that a
turn asks of it on average; the endpoints of a model carry so many answers at the same time as begin within the study's
time (`models_serving.catalog.pace`). A talk fits where no model of its pool would have more than that."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.core.cache import cache

from annotation.conversations.queries import step_of
from annotation.items.queries import servable
from annotation.items.recipes import RECIPES, entries_needed
from annotation.studies.document.models import ModelRules
from annotation.studies.document.steps import ConversationsStep, TurnRules
from annotation.studies.models import StudyVersion
from annotation.studies.queries import document_of
from models_serving.catalog.models import ServedModel
from models_serving.catalog.queries import carried_by

# what endpoints carry changes slowly, and is asked for by everybody who waits
REMEMBERED_S = 5
Load = Mapping[int, float]
ALMOST = 1e-9


class Loads:
    """What talks ask of models at one moment, looked up once a step, however many people are in it."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._known: dict[tuple[int, str], Load] = {}

    def of(self, version: StudyVersion, step: str) -> Load:
        known = self._known.get((version.pk, step))
        if known is None:
            known = self._known[version.pk, step] = load_of(version, step_of(version, step), self._now)
        return known


def load_of(version: StudyVersion, step: ConversationsStep, now: datetime) -> dict[int, float]:
    """Answers at the same time that one open talk asks of each served model (by its key), on average over the draws.
    Nothing where no talk can be had: the models that can answer now do not fill a turn."""
    document = document_of(version)
    if document.models is None or step.admission is None:
        return {}
    answering = _answering(document.models, step.admission.first_token, now)
    if len(answering) < max(entries_needed(step.opening.candidates), entries_needed(step.turns.candidates)):
        return {}
    answers = max(_answers(step.opening), _answers(step.turns))
    return {pk: share * answers / step.admission.per_turn for pk, share in _shares(answering).items()}


def _answering(rules: ModelRules, first_token: float, now: datetime) -> list[ServedModel]:
    """The model of each entry that can be drawn. Where another one takes the place of one that fails, the others carry
    the share of those that do not answer now; where a turn fails with one of its answers, each has to be there."""
    usable, _ = servable(rules)
    if rules.on_failure.then != "replace":
        return list(usable.values())
    return [model for model in usable.values() if capacity_of(model.pk, first_token, now) > 0]


def _answers(rules: TurnRules) -> int:
    """How many calls a turn makes: one where one call writes all."""
    return 1 if RECIPES[rules.candidates.recipe].together else rules.candidates.k


def _shares(models: Sequence[ServedModel]) -> dict[int, float]:
    """How often each served model is drawn; one that stands for several entries is drawn as often as all of them."""
    shares: dict[int, float] = {}
    for model in models:
        shares[model.pk] = shares.get(model.pk, 0.0) + 1 / len(models)
    return shares


def capacity_of(served_model_id: int, first_token: float, now: datetime) -> int:
    """Answers at the same time that the model carries with that target."""
    key = f"carried-{served_model_id}-{first_token}"
    found: int | None = cache.get(key)
    if found is None:
        found = carried_by(served_model_id, first_token, now)
        cache.set(key, found, REMEMBERED_S)
    return found


def fits(load: Load, used: Load, capacity: Load) -> bool:
    """Whether a talk with that load fits beside what is used. Where nothing is used, one talk always fits, as long as
    every model answers at all: else a slow model would keep everybody waiting for ever."""
    if any(capacity[pk] <= 0 for pk in load):
        return False
    if all(used.get(pk, 0.0) <= 0 for pk in load):
        return True
    return all(used.get(pk, 0.0) + share <= capacity[pk] + ALMOST for pk, share in load.items())
