"""Addresses of live talks."""

from django.urls import path

from annotation.conversations.views import after, events, talk

app_name = "conversations"
urlpatterns = [
    path("p/<uuid:pid>/talk/<slug:step>/", talk.talk, name="talk"),
    path("p/<uuid:pid>/talk/<slug:step>/start/", talk.start, name="start"),
    path("p/<uuid:pid>/talk/<slug:step>/wait/", talk.wait, name="wait"),
    path("p/<uuid:pid>/talk/<slug:step>/message/", talk.message, name="message"),
    path("p/<uuid:pid>/talk/<slug:step>/finish/", talk.finish, name="finish"),
    path("p/<uuid:pid>/talk/<slug:step>/leave/", talk.leave, name="leave"),
    path("p/<uuid:pid>/talk/<slug:step>/turn/<uuid:turn>/judge/", talk.judge, name="judge"),
    path("p/<uuid:pid>/talk/<slug:step>/turn/<uuid:turn>/stop/", talk.stop, name="stop"),
    path("p/<uuid:pid>/talk/<slug:step>/turn/<uuid:turn>/retry/", talk.retry, name="retry"),
    path("p/<uuid:pid>/talk/<slug:step>/turn/<uuid:turn>/events/", events.turn_events, name="turn_events"),
    path("p/<uuid:pid>/talk/<slug:step>/after/<uuid:block>/", after.after, name="after"),
]
