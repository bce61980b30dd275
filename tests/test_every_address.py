"""Every address of the site: who may open it, and that opening it creates nothing (I9). An address that is not in these
tables fails the test, so whoever adds one decides here who may open it."""

import re
import uuid
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from annotation.accounts.models import Identity, User
from annotation.accounts.services import record_audit
from annotation.api.rules import MAY
from annotation.api.urls import urlpatterns as api_urls
from annotation.assignments.models import Assignment, StepPlaces
from annotation.conversations.queries import after_assignments, step_of
from annotation.conversations.services.conversations import finish_conversation
from annotation.participation.models import Participation
from annotation.participation.return_tokens import return_token, token_sha256
from annotation.studies.models import Study
from tests.factories import cards, talks
from tests.factories.participations import browser, participation
from tests.factories.staff import stranger_browser
from tests.factories.studies import SMALL, study

pytestmark = pytest.mark.django_db
P = "p/<uuid:pid>/"
T = f"{P}talk/<slug:step>/"
TURN = f"{T}turn/<uuid:turn>/"
J = f"{P}judge/<slug:step>/"
PLACE = f"{J}<uuid:place>/"

# GET as: nobody in particular · the person whose page it is · somebody else in the same study · staff without rights.
# POST as all of these but the owner, who is what the other tests are about.
Statuses = tuple[tuple[int, ...], tuple[int, ...]]
READ_ONLY = (405, 405, 405)
OPEN = ((200, 200, 200, 200), READ_ONLY)
# the owner is shown the page, or led to where they are now; to everybody else it does not exist
SHOWN = ((404, 200, 404, 404), (404, 404, 404))
SHOWN_ONLY = ((404, 200, 404, 404), READ_ONLY)
LED = ((404, 302, 404, 404), (404, 404, 404))
LED_ONLY = ((404, 302, 404, 404), READ_ONLY)
SENT_ONLY = ((405, 405, 405, 405), (404, 404, 404))
# staff sign in first; then rights decide
REFUSED = ((302, 302, 302, 403), (302, 302, 403))
HIDDEN = ((302, 302, 302, 404), (302, 302, 404))
HIDDEN_ONLY = ((302, 302, 302, 404), READ_ONLY)
ANY_STAFF = ((302, 302, 302, 200), (302, 302, 200))
ANY_STAFF_ONLY = ((302, 302, 302, 200), (302, 302, 405))
FORWARDED = ((302, 302, 302, 302), (302, 302, 302))

# the API knows tokens alone: to it all of these are nobody (what tokens open: tests/annotation/api/)
NO_TOKEN = ((401,) * 4, (401,) * 3)
API = {
    **{f"api/v1/{one.pattern}": NO_TOKEN for one in api_urls if one.name in MAY},
    "api/v1/schema/": OPEN,
    "api/v1/docs/": OPEN,
    "api/v1/<rest>": ((404,) * 4, (404,) * 3),
}
ADDRESSES: dict[str, Statuses] = {
    **API,
    "": OPEN,
    "healthz": OPEN,
    # neither worker nor models are there in this test
    "readyz": ((503, 503, 503, 503), READ_ONLY),
    "csrf/": OPEN,
    "s/<slug:slug>/": OPEN,
    # without a form's key nobody comes in
    "s/<slug:slug>/start/": ((405, 405, 405, 405), (400, 400, 400)),
    # who has the personal link is the person
    "p/return/<str:token>/": ((200, 200, 200, 200), (302, 302, 302)),
    P: LED_ONLY,
    f"{P}leave/": SHOWN_ONLY,
    f"{P}draft/": SENT_ONLY,
    f"{P}consent/<slug:step>/": LED,
    f"{P}decline/": SHOWN,
    f"{P}questions/<slug:step>/<int:number>/": LED,
    f"{P}training/<slug:step>/<int:number>/": LED,
    f"{P}training/<slug:step>/done/": LED,
    f"{P}text/<slug:step>/": LED,
    f"{P}end/": LED_ONLY,
    # nothing in this test has media
    f"{P}media/<uuid:media>/": ((404, 404, 404, 404), READ_ONLY),
    f"{P}reopen/": SENT_ONLY,
    f"{P}go-back/": SENT_ONLY,
    f"{P}my-data/": SHOWN_ONLY,
    f"{P}my-data/download/": SHOWN_ONLY,
    f"{P}withdraw/": SHOWN,
    T: SHOWN,
    **{f"{T}{name}/": LED for name in ("start", "message", "finish", "leave")},
    f"{T}wait/": SHOWN,
    **{f"{TURN}{name}/": LED for name in ("judge", "stop", "retry")},
    f"{TURN}events/": SHOWN_ONLY,
    f"{T}after/<uuid:block>/": LED,
    J: LED,
    **{f"{J}{name}/": LED for name in ("begin", "finish")},
    f"{J}ahead/": SENT_ONLY,
    PLACE: LED,
    **{f"{PLACE}{name}/": LED for name in ("before", "skip", "change")},
    f"{PLACE}heartbeat/": SENT_ONLY,
    "studies/preview/<slug:slug>/": HIDDEN_ONLY,
    "studies/preview/<slug:slug>/<str:step>/<int:page>/": HIDDEN_ONLY,
    "admin/": ANY_STAFF,
    "admin/search/": ANY_STAFF,
    "admin/login/": ((200, 200, 200, 302), (200, 200, 200)),
    "admin/logout/": ((302, 302, 302, 405), (302, 302, 200)),
    "admin/password_change/": ANY_STAFF,
    "admin/password_change/done/": ANY_STAFF_ONLY,
    "admin/autocomplete/": ((302, 302, 302, 403), (302, 302, 405)),
    "admin/jsi18n/": ANY_STAFF_ONLY,
    "admin/r/<path:content_type_id>/<path:object_id>/": HIDDEN,
    "admin/<app_label>/": HIDDEN,
    "admin/<url>": HIDDEN,
    "admin/accounts/user/<id>/password/": REFUSED,
    "admin/studies/study/<path:object_id>/running/": REFUSED,
    "admin/studies/study/<path:object_id>/run/": REFUSED,
    "admin/quality/flag/check/<int:pk>/": REFUSED,
    "admin/catalog/servedmodel/<path:object_id>/standing/": REFUSED,
    "admin/catalog/servedmodel/<path:object_id>/how/": REFUSED,
    "admin/exports/exportrun/<uuid:pk>/files/<str:name>": HIDDEN,
    "admin/items/itemset/upload/": REFUSED,
    "admin/items/itemset/import-link/": REFUSED,
    "admin/items/itemset/media/<uuid:pk>/": HIDDEN,
    "admin/items/setjob/<uuid:pk>/errors.csv": HIDDEN,
}
# the admin's usual pages of these tables; it refuses whoever has no rights to them
OBJECT = "<path:object_id>/"
ADMIN_PAGES = {"": REFUSED, "add/": REFUSED, OBJECT: FORWARDED} | {
    f"{OBJECT}{page}/": REFUSED for page in ("history", "delete", "change")
}
ADMIN_TABLES = (
    "catalog/servedmodel",
    "catalog/modelrevision",
    "django_celery_beat/periodictask",
    "django_celery_beat/crontabschedule",
    "accounts/user",
    "auth/group",
    "accounts/annotator",
    "accounts/identity",
    "accounts/auditentry",
    "studies/study",
    "studies/studyversion",
    "items/itemset",
    "items/setjob",
    "items/item",
    "items/candidate",
    "items/generation",
    "participation/participation",
    "participation/quotacell",
    "participation/withdrawal",
    "assignments/assignment",
    "assignments/presentation",
    "assignments/stepplaces",
    "judgements/judgement",
    "conversations/conversation",
    "exports/exportschedule",
    "exports/exportrun",
    "exports/textassessment",
    "api/apitoken",
    "quality/flag",
)
# what belongs to no study; rows of every other table are for the staff who own its study
OF_NO_STUDY = {
    *("catalog/servedmodel", "catalog/modelrevision", "django_celery_beat/periodictask"),
    *("django_celery_beat/crontabschedule", "accounts/user", "auth/group", "accounts/annotator", "accounts/identity"),
    *("accounts/auditentry", "exports/textassessment"),
}
# the transcript says no more than that it is not there
OWN_ADMIN_PAGES = {
    f"admin/{page}/{OBJECT}change/": HIDDEN for page in ("conversations/conversation", "items/item", "items/setjob")
}
ALLOWED: dict[str, Statuses] = {
    **ADDRESSES,
    **{f"admin/{table}/{page}": statuses for table in ADMIN_TABLES for page, statuses in ADMIN_PAGES.items()},
    **OWN_ADMIN_PAGES,
}
READERS = ("anonymous", "owner", "other", "staff")
MISSING = "999999"
WRITERS = ("anonymous", "other", "staff")


def addresses(resolver: URLResolver | None = None, before: str = "") -> Iterator[str]:
    """Every pattern of the URLconf, as it is written there."""
    for one in (resolver or get_resolver()).url_patterns:
        whole = before + re.sub(r"\^?\(\?P(<\w+>).*\)(/?)\$$", r"\1\2", str(one.pattern))
        if isinstance(one, URLPattern):
            yield whole
        else:
            yield from addresses(one, whole)


class World:
    """Somebody between a talk and its questions, the browsers of four people, and what fills in the variable parts of
    addresses."""

    def __init__(self) -> None:
        talks.served()
        chats, debrief = talks.document()["steps"]
        before = [{"consent": "c1"}, {"questionnaire": "survey", "pages": [["feedback"]]}]
        note = {"debrief": {"name": "note", "text": "Half of it is done."}}
        compare, course = cards.document(), {"training": "course", "slides": [{"text": "Read this."}]}
        made = study(
            talks.document(
                consent=SMALL["consent"],
                item_sets=compare["item_sets"],
                questions=talks.document()["questions"] | {"goal": compare["questions"]["goal"]},
                protocols=talks.document()["protocols"] | {"compare": {"about_item": ["goal"]}},
                steps=[*before, chats, note, course, compare["steps"][0], debrief],
            )
        )
        owner = participation(made, step=2)
        talk = talks.conversation(owner)
        turn = talks.answered(talk)
        talks.judged(turn)
        talks.judged(talks.answered(talk))
        finish_conversation(conversation_id=talk.pk, participation=owner, now=timezone.now())
        block = after_assignments(talk, step_of(talk.version, "chats"))[0]
        token = return_token(owner.pk)
        Participation.objects.filter(pk=owner.pk).update(return_token_sha256=token_sha256(token))
        Identity.objects.create(annotator=owner.annotator, provider="prolific", external_id="anna")
        record_audit(actor="test", action="test", subject="test", now=timezone.now())
        Group.objects.create(name="nobody")
        self.browsers = {
            "anonymous": Client(),
            "owner": browser(owner),
            "other": browser(participation(made, step=2)),
            "staff": stranger_browser(),
        }
        self.parts = {
            "<slug:slug>": "talk",
            "<uuid:pid>": str(owner.pk),
            "<uuid:turn>": str(turn.pk),
            "<uuid:block>": str(block.pk),
            "<uuid:media>": str(uuid.uuid4()),
            "<str:token>": token,
            "<int:number>": "1",
            "<int:page>": "1",
            "<uuid:pk>": str(uuid.uuid4()),
            "<str:name>": "survey.jsonl",
            "<path:content_type_id>": "1",
            "<id>": "1",
            "<app_label>": "studies",
            "<url>": "nothing/of/this/",
            "consent/<slug:step>": "consent/c1",
            "questions/<slug:step>": "questions/survey",
            "text/<slug:step>": "text/note",
            "training/<slug:step>": "training/course",
            "judge/<slug:step>": "judge/cards",
            "<uuid:place>": str(uuid.uuid4()),
            "<slug:step>": "chats",
            "<str:step>": "chats",
            "<int:pk>": "1",
            "<rest>": "nothing/of/this/",
        }

    def url(self, address: str) -> str:
        filled = "/" + address.replace("<path:object_id>", self._object(address))
        for part, value in self.parts.items():
            filled = filled.replace(part, value)
        return filled

    def _object(self, address: str) -> str:
        found = re.match(r"admin/(\w+)/(\w+)/<path", address)
        first = apps.get_model(found[1], found[2])._default_manager.first() if found else None
        return str(first.pk) if first is not None else MISSING

    def get(self, address: str) -> tuple[int, ...]:
        return tuple(self.browsers[who].get(self.url(address)).status_code for who in READERS)

    def post(self, address: str) -> tuple[int, ...]:
        return tuple(self.browsers[who].post(self.url(address)).status_code for who in WRITERS)


OF_THE_STUDY = (
    "studies/preview/<slug:slug>/",
    "admin/studies/study/<path:object_id>/running/",
    "admin/studies/study/<path:object_id>/change/",
)


def researcher(name: str) -> User:
    """Somebody with every right that can be given, and no superuser."""
    user = User.objects.create_user(name, password="long-enough-1", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def rows() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in apps.get_models(include_auto_created=True)}


def test_every_address_is_in_the_tables_and_the_tables_name_no_other() -> None:
    assert sorted(set(addresses())) == sorted(ALLOWED)


def test_opening_any_page_shows_each_person_what_is_theirs_and_creates_nothing() -> None:
    world = World()
    before = rows()
    assert min(before[label] for label in ("judgements.Judgement", "items.Generation", "accounts.Identity")) > 0
    found = {address: world.get(address) for address in ALLOWED}
    assert {one: (found[one], ALLOWED[one][0]) for one in ALLOWED if found[one] != expected(world, one, 0)} == {}
    assert rows() == before


def test_nobody_but_the_owner_can_send_anything_to_a_page() -> None:
    world = World()
    before = rows()
    # these change who a browser is, so they come last
    order = sorted(ALLOWED, key=lambda address: ("p/return/" in address, address == "admin/logout/"))
    found = {address: world.post(address) for address in order}
    assert {one: (found[one], ALLOWED[one][1]) for one in order if found[one] != expected(world, one, 1)} == {}
    kept = {label: count for label, count in rows().items() if label != "sessions.Session"}
    assert kept == {label: before[label] for label in kept}


def expected(world: World, address: str, which: int) -> tuple[int, ...]:
    """The history of what is not there, or of a study that is not one's own, leads back to the list."""
    statuses = ALLOWED[address][which]
    table = "/".join(address.split("/")[1:3])
    missing = address.endswith("/history/") and (MISSING in world.url(address) or table not in OF_NO_STUDY)
    return (*statuses[:-1], 302) if missing and statuses[-1] == 403 else statuses


def test_staff_with_every_right_meet_the_rows_of_their_own_studies_alone() -> None:
    world = World()
    place = Assignment.objects.first()
    StepPlaces.objects.create(study=place.study, step="cards", opened_at=timezone.now())
    owner, other = researcher("owner"), researcher("other")
    place.study.owner = owner
    place.study.save()
    tables = [table for table in ADMIN_TABLES if table not in OF_NO_STUDY]
    listed = {
        table: [len(signed_in(user).get(f"/admin/{table}/").context["cl"].queryset) for user in (owner, other)]
        for table in tables
    }
    everything = {table: apps.get_model(*table.split("/"))._default_manager.count() for table in tables}
    assert listed == {table: [count, 0] for table, count in everything.items()}
    assert min(everything[f"{table}"] for table in ("judgements/judgement", "items/item", "items/generation")) > 0
    Study.objects.create(slug="second", title="A second one")
    foreign = signed_in(other)
    filters = foreign.get("/admin/participation/participation/").context["cl"].filter_specs
    assert [one.title for one in filters] == ["state", "rehearsal", "language"]
    assert [foreign.get(world.url(address)).status_code for address in OF_THE_STUDY] == [404, 404, 302]
    chosen = {"action": "open_next_wave", "_selected_action": [StepPlaces.objects.get().pk]}
    answer = foreign.post("/admin/assignments/stepplaces/", chosen, follow=True)
    assert "talk/cards" not in answer.content.decode()
    owned = signed_in(owner).post("/admin/assignments/stepplaces/", chosen, follow=True)
    assert "talk/cards" in owned.content.decode()


def test_staff_without_rights_find_nothing_by_searching() -> None:
    world = World()
    for term in ("anna", "talk", "m-one"):
        html = world.browsers["staff"].get("/admin/search/", {"s": term}).content.decode()
        assert "/change/" not in html
