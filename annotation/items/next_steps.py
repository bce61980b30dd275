"""What a researcher does next, once items are in their set."""

from dataclasses import dataclass

from django.urls import reverse

from annotation.items.models import SetJob
from annotation.studies.models import Study
from annotation.studies.queries import draft_sets, draft_step_over, published_sets


@dataclass(frozen=True, slots=True)
class NextStep:
    """What is the case, and where one goes on: label and address."""

    text: str
    label: str
    address: str


def what_next(job: SetJob) -> list[NextStep]:
    """After an import that is done, in the order in which one would do it; the first is what holds people up."""
    study, name = job.item_set.study, job.item_set.name
    if job.kind != SetJob.Kind.IMPORT or job.state != SetJob.State.DONE or study is None:
        return []
    items = f"{reverse('admin:items_item_changelist')}?item_set__id__exact={job.item_set_id}"
    look = NextStep("The items are there.", "Look at the items", items)
    return [*_on_the_way(study, name), look]


def _card(study: Study, name: str) -> str:
    """The preview at the page behind the way in; its first page where no step of the draft shows the set."""
    step = draft_step_over(study, name)
    if not step:
        return reverse("studies:preview", args=[study.slug])
    return reverse("studies:preview-page", args=[study.slug, step, 1])


def _on_the_way(study: Study, name: str) -> list[NextStep]:
    document = reverse("admin:studies_study_change", args=[study.pk])
    running = reverse("admin:studies_study_running", args=[study.pk])
    preview = NextStep("See the first item as people will.", "Preview a card", _card(study, name))
    if name in published_sets(study):
        step_places = f"{reverse('admin:assignments_stepplaces_changelist')}?study__id__exact={study.pk}"
        places = NextStep("Places for these items open by themselves, within a minute.", "See the places", step_places)
        if study.state == Study.State.OPEN:
            return [places, preview]
        return [places, NextStep(f"The study is {study.state}.", "Let people in", running), preview]
    if name in draft_sets(study):
        text = "The draft names this set; what people meet does not yet. Publishing opens its places."
        return [preview, NextStep(text, "Publish the study", running)]
    text = f"The study's document does not name this set: add {name} under item_sets, and a step with items: {name}."
    return [NextStep(text, "Edit the document", document)]
