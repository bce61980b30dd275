"""Addresses of the pages about studies."""

from django.urls import path

from annotation.studies import views

app_name = "studies"
urlpatterns = [
    path("preview/<slug:slug>/", views.preview, name="preview"),
    path("preview/<slug:slug>/<str:step>/<int:page>/", views.preview_page, name="preview-page"),
]
