"""Addresses of taking part."""

from django.urls import path

from annotation.participation.views import entry, person, place, training

app_name = "participation"
urlpatterns = [
    path("s/<slug:slug>/", entry.welcome, name="welcome"),
    path("s/<slug:slug>/start/", entry.start, name="start"),
    path("p/return/<str:token>/", entry.return_by_link, name="return"),
    path("p/<uuid:pid>/", place.resume, name="resume"),
    path("p/<uuid:pid>/leave/", place.leave, name="leave"),
    path("p/<uuid:pid>/draft/", place.draft, name="draft"),
    path("p/<uuid:pid>/consent/<slug:step>/", place.consent, name="consent"),
    path("p/<uuid:pid>/decline/", place.decline, name="decline"),
    path("p/<uuid:pid>/questions/<slug:step>/<int:number>/", place.page, name="page"),
    path("p/<uuid:pid>/training/<slug:step>/<int:number>/", training.training, name="training"),
    path("p/<uuid:pid>/training/<slug:step>/done/", training.training_done, name="training_done"),
    path("p/<uuid:pid>/text/<slug:step>/", place.text, name="text"),
    path("p/<uuid:pid>/end/", place.end, name="end"),
    path("p/<uuid:pid>/reopen/", place.reopen, name="reopen"),
    path("p/<uuid:pid>/go-back/", place.go_back, name="go_back"),
    path("p/<uuid:pid>/my-data/", person.my_data, name="my_data"),
    path("p/<uuid:pid>/my-data/download/", person.download, name="download"),
    path("p/<uuid:pid>/withdraw/", person.withdraw, name="withdraw"),
]
