"""Media of items, for people who have a place with them."""

from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from annotation.assignments.queries import media_for
from annotation.common.errors import NotFoundError
from annotation.items.serving import media_response
from annotation.participation.access import participation_for


@require_safe
def media(request: HttpRequest, pid: UUID, media: UUID) -> HttpResponseBase:
    """An image, a sound or a film of a set from which this person has, or had, an item."""
    found = media_for(participation_for(request, pid), media)
    if found is None:
        raise NotFoundError(_("There is no such file."))
    return media_response(request, found)
