"""Addresses of comparisons."""

from django.urls import path

from annotation.judgements import views

app_name = "judgements"
urlpatterns = [
    path("p/<uuid:pid>/judge/<slug:step>/", views.card, name="card"),
    path("p/<uuid:pid>/judge/<slug:step>/begin/", views.begin, name="begin"),
    path("p/<uuid:pid>/judge/<slug:step>/ahead/", views.ahead, name="ahead"),
    path("p/<uuid:pid>/judge/<slug:step>/finish/", views.finish, name="finish"),
    path("p/<uuid:pid>/judge/<slug:step>/<uuid:place>/", views.submit, name="submit"),
    path("p/<uuid:pid>/judge/<slug:step>/<uuid:place>/before/", views.before, name="before"),
    path("p/<uuid:pid>/judge/<slug:step>/<uuid:place>/skip/", views.skip, name="skip"),
    path("p/<uuid:pid>/judge/<slug:step>/<uuid:place>/change/", views.change, name="change"),
    path("p/<uuid:pid>/judge/<slug:step>/<uuid:place>/heartbeat/", views.beat, name="beat"),
]
