"""Pages about studies: the preview of a draft for staff."""

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.views.decorators.http import require_safe

from annotation.common.errors import NotFoundError
from annotation.studies.document import StudyDocument
from annotation.studies.loading import read_document
from annotation.studies.models import Study
from annotation.studies.preview import Place, context_of, places
from annotation.studies.rules import can_see_draft


@require_safe
@staff_member_required
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """The first page of a draft."""
    first = places(_draft(request, slug))[0]
    return redirect("studies:preview-page", slug=slug, step=first.step, page=first.page)


@require_safe
@staff_member_required
def preview_page(request: HttpRequest, slug: str, step: str, page: int) -> HttpResponse:
    """One page of a draft, in the language that `lang` names."""
    document = _draft(request, slug)
    language = request.GET.get("lang") or document.languages[0]
    with translation.override(language if language in document.languages else document.languages[0]):
        context = context_of(document, Place(step, page), language, slug=slug) | {"slug": slug}
        return render(request, context["template"], context)


def _draft(request: HttpRequest, slug: str) -> StudyDocument:
    study = Study.objects.filter(slug=slug).first()
    if study is None or not can_see_draft(request.user, study):
        raise NotFoundError("There is no such study.")
    return read_document(study.draft)
