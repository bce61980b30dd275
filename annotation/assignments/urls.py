"""Addresses of what is shown in places. Media belong to items; who may see them follows from places."""

from django.urls import path

from annotation.assignments import views

app_name = "items"
urlpatterns = [path("p/<uuid:pid>/media/<uuid:media>/", views.media, name="media")]
