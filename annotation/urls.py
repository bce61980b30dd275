"""Which address leads to which app."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from annotation.common import views as common

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("annotation.common.urls")),
    path("admin/", admin.site.urls),
    path("studies/", include("annotation.studies.urls")),
    path("api/v1/", include("annotation.api.urls")),
    path("csrf/", common.csrf, name="csrf"),
    path("", include("annotation.participation.urls")),
    path("", include("annotation.judgements.urls")),
    path("", include("annotation.assignments.urls")),
    path("", include("annotation.conversations.urls")),
]

handler400 = common.bad_request
handler403 = common.forbidden
handler404 = common.not_found
handler500 = common.server_error
