"""The addresses of the API. Each view's `address` is its name here and in the table of `rules.py`."""

from django.urls import URLPattern, path, re_path

from annotation.api.views import docs
from annotation.api.views.base import Endpoint
from annotation.api.views.exports import ExportFile, Exports, OneExport
from annotation.api.views.items import (
    CancelJob,
    CheckJob,
    ImportJob,
    ItemSets,
    OneItem,
    OneItemSet,
    OneSetJob,
    SetItems,
    SetJobs,
    Uploads,
)
from annotation.api.views.judging import Before, Card, Change, GiveBack, Heartbeat, Lease, Medium, Skip, Submit
from annotation.api.views.people import (
    Annotators,
    Assignments,
    Conversations,
    Judgements,
    OneAnnotator,
    OneAssignment,
    OneConversation,
    OneJudgement,
)
from annotation.api.views.studies import OneStudy, OneVersion, Studies, StudySchema, Token, Versions

app_name = "api"


def at(route: str, view: type[Endpoint]) -> URLPattern:
    return path(route, view.as_view(), name=view.address)


urlpatterns = [
    path("schema/", docs.schema, name="schema"),
    path("docs/", docs.docs, name="docs"),
    at("token/", Token),
    at("study-schema/", StudySchema),
    at("studies/", Studies),
    at("studies/<slug:slug>/", OneStudy),
    at("studies/<slug:slug>/versions/", Versions),
    at("studies/<slug:slug>/versions/<int:number>/", OneVersion),
    at("item-sets/", ItemSets),
    at("item-sets/<int:pk>/", OneItemSet),
    at("item-sets/<int:pk>/items/", SetItems),
    at("item-sets/<int:pk>/jobs/", SetJobs),
    at("item-sets/<int:pk>/uploads/", Uploads),
    at("set-jobs/<uuid:pk>/", OneSetJob),
    at("set-jobs/<uuid:pk>/check/", CheckJob),
    at("set-jobs/<uuid:pk>/import/", ImportJob),
    at("set-jobs/<uuid:pk>/cancel/", CancelJob),
    at("items/<uuid:pk>/", OneItem),
    at("assignments/", Assignments),
    at("assignments/lease/", Lease),
    at("assignments/<uuid:pk>/", OneAssignment),
    at("assignments/<uuid:pk>/card/", Card),
    at("assignments/<uuid:pk>/before/", Before),
    at("assignments/<uuid:pk>/submit/", Submit),
    at("assignments/<uuid:pk>/change/", Change),
    at("assignments/<uuid:pk>/heartbeat/", Heartbeat),
    at("assignments/<uuid:pk>/give-back/", GiveBack),
    at("assignments/<uuid:pk>/skip/", Skip),
    at("media/<uuid:pk>/", Medium),
    at("judgements/", Judgements),
    at("judgements/<uuid:pk>/", OneJudgement),
    at("annotators/", Annotators),
    at("annotators/<uuid:pk>/", OneAnnotator),
    at("conversations/", Conversations),
    at("conversations/<uuid:pk>/", OneConversation),
    at("exports/", Exports),
    at("exports/<uuid:pk>/", OneExport),
    at("exports/<uuid:pk>/files/<str:name>", ExportFile),
    # whatever else it is, line ends too: a machine is answered as a machine
    re_path(r"^(?P<rest>(?s:.*))$", docs.nothing, name="nothing"),
]
