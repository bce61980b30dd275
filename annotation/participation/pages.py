"""A questionnaire page as a form: its questions, and the seed of every shuffle on it."""

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.participation.models import Participation
from annotation.studies.document import StudyDocument
from annotation.studies.document.steps import QuestionnaireStep
from annotation.studies.forms import Asked, QuestionForm


def page_form(
    participation: Participation,
    document: StudyDocument,
    step: QuestionnaireStep,
    page: int,
    *,
    fields: Mapping[str, Sequence[str]],
    earlier: Mapping[str, Mapping[str, Any]],
) -> QuestionForm:
    """The form of one page, with `fields` as sent or kept in a draft."""
    return QuestionForm(
        asked=[Asked(name, document.questions[name], name) for name in step.pages[page].questions],
        fields=fields,
        seed=f"{participation.seed}/{step.name}",
        language=participation.language,
        earlier=earlier,
    )


def shows_nothing(form: QuestionForm) -> bool:
    """Whether every question's condition fails, so that there is no page to show. `form` has no fields yet: a question
    that depends on another one of the same page counts as shown when that one is."""
    form.is_valid()
    return not form.errors and all(answer.missing == "not_shown" for answer in form.answers.values())
