"""The way in: welcome creates nothing, start creates once, panel ids come back to their place."""

import uuid
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.cache import cache
from django.test import Client

from annotation.accounts.models import Annotator, Identity
from annotation.participation.models import Participation
from annotation.participation.return_tokens import return_token
from annotation.studies.models import Study
from tests.factories.participations import browser, participation
from tests.factories.studies import SMALL, small, study

pytestmark = pytest.mark.django_db


def begin(client: Client, slug: str = "small", **fields: str) -> Participation:
    fields = {"key": uuid.uuid4().hex, "language": "en"} | fields
    response = client.post(f"/s/{slug}/start/", fields)
    assert response.status_code == 302, response.content.decode()
    return Participation.objects.get(pk=response.headers["Location"].split("/")[2])


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Participation, Annotator, Identity, Session))


def test_the_welcome_page_creates_nothing() -> None:
    study()
    client = browser()
    response = client.get("/s/small/?PROLIFIC_PID=anna&STUDY_ID=s&SESSION_ID=x")
    assert (response.status_code, counts(), client.cookies.keys() - {"csrftoken"}) == (200, (0, 0, 0, 0), set())


def test_the_welcome_page_carries_the_panels_ids_on_under_the_documents_names() -> None:
    study(small(panel={"kind": "generic", "person": "pid", "study": "sid", "session": "sess"}))
    html = browser().get("/s/small/?pid=anna&sess=7&unknown=1").content.decode()
    carried = [name for name in ("pid", "sid", "sess", "unknown") if f'name="{name}"' in html]
    assert carried == ["pid", "sess"]


def test_start_creates_a_person_on_the_current_version_at_the_first_step() -> None:
    made = study()
    person = begin(browser(), PROLIFIC_PID="anna", STUDY_ID="s1", SESSION_ID="x1")
    assert (person.version, person.ordinal, person.step, person.panel_study_id, person.panel_session_id) == (
        made.current, 0, 0, "s1", "x1",
    )  # fmt: skip
    assert list(Identity.objects.values_list("provider", "external_id", "annotator")) == [
        ("prolific", "anna", person.annotator_id)
    ]


def test_somebody_without_a_panel_has_no_identity() -> None:
    study()
    begin(browser())
    assert counts()[:3] == (1, 1, 0)


def test_two_clicks_on_start_are_one_participation() -> None:
    study()
    client = browser()
    first, second = begin(client, key="k" * 32), begin(client, key="k" * 32)
    assert (first.pk, counts()[:3]) == (second.pk, (1, 1, 0))


def test_ordinals_count_people_of_a_study_from_zero() -> None:
    study()
    study(small(study="other"))
    begin(browser(), slug="other")
    assert [begin(browser()).ordinal for _ in range(3)] == [0, 1, 2]


def test_the_same_panel_id_returns_to_the_same_participation_with_less_trust() -> None:
    study()
    mine, elsewhere = browser(), browser()
    first, second = begin(mine, PROLIFIC_PID="anna"), begin(elsewhere, PROLIFIC_PID="anna")
    assert first.pk == second.pk
    assert [client.session["participations"] for client in (mine, elsewhere)] == [
        {str(first.pk): "full"},
        {str(first.pk): "panel"},
    ]


def test_coming_by_the_panel_again_keeps_the_trust_of_the_first_browser() -> None:
    study()
    client = browser()
    person = begin(client, PROLIFIC_PID="anna")
    begin(client, PROLIFIC_PID="anna")
    assert client.session["participations"] == {str(person.pk): "full"}


def test_a_prolific_id_is_the_same_annotator_in_another_study() -> None:
    study()
    study(small(study="other"))
    first, second = begin(browser(), PROLIFIC_PID="anna"), begin(browser(), slug="other", PROLIFIC_PID="anna")
    assert (first.annotator_id, first.pk == second.pk) == (second.annotator_id, False)


def test_the_id_of_any_other_panel_means_somebody_else_in_another_study() -> None:
    panel = {"kind": "generic", "person": "pid"}
    study(small(panel=panel))
    study(small(study="other", panel=panel))
    first, second = begin(browser(), pid="7"), begin(browser(), slug="other", pid="7")
    assert first.annotator_id != second.annotator_id


@pytest.mark.parametrize("value", ["", "{{%PROLIFIC_PID%}}", "x" * 201])
def test_a_required_panel_id_that_is_not_there_ends_in_a_page_that_says_so(value: str) -> None:
    study(small(panel=SMALL["panel"] | {"required": True}))
    shown = browser().get("/s/small/", {"PROLIFIC_PID": value})
    begun = browser().post("/s/small/start/", {"PROLIFIC_PID": value, "key": "k" * 32})
    assert (shown.status_code, begun.status_code, counts()[:3]) == (400, 400, (0, 0, 0))
    assert "Your link is not complete" in shown.content.decode()


@pytest.mark.parametrize(
    ("state", "heading"),
    [("draft", "has not begun yet"), ("paused", "is taking a break"), ("closed", "is over")],
)
def test_a_study_that_is_not_open_says_why_and_takes_nobody(state: str, heading: str) -> None:
    study(state=state)
    shown = browser().get("/s/small/")
    begun = browser().post("/s/small/start/", {"key": "k" * 32})
    assert (shown.status_code, begun.status_code, counts()[:3]) == (403, 403, (0, 0, 0))
    assert heading in shown.content.decode()


def test_who_began_before_a_study_was_closed_can_go_on() -> None:
    person = participation(study())
    Study.objects.update(state="closed")
    client = browser(person)
    assert f"/p/{person.pk}/" in client.get("/s/small/").content.decode()
    assert client.get(f"/p/{person.pk}/").headers["Location"] == f"/p/{person.pk}/consent/c1/"


@pytest.mark.parametrize("state", ["paused", "closed"])
def test_who_began_before_comes_back_by_the_panels_link_and_nobody_else(state: str) -> None:
    study()
    person = begin(browser(), PROLIFIC_PID="anna")
    Study.objects.update(state=state)
    shown = [browser().get("/s/small/", {"PROLIFIC_PID": who}).status_code for who in ("anna", "ben")]
    begun = begin(browser(), PROLIFIC_PID="anna")
    assert (shown, begun.pk) == ([200, 403], person.pk)


def test_another_persons_link_on_a_shared_computer_does_not_offer_the_first_ones_place() -> None:
    study()
    client = browser()
    person = begin(client, PROLIFIC_PID="anna")
    pages = [client.get("/s/small/", {"PROLIFIC_PID": who}).content.decode() for who in ("anna", "ben")]
    assert [f"/p/{person.pk}/" in page for page in pages] == [True, False]


def test_a_signed_rehearsal_marks_a_bot_and_never_meets_a_persons_identity() -> None:
    study()
    person = begin(browser(), PROLIFIC_PID="anna")
    token = signing.dumps({"study": "small", "seed": 1}, salt="rehearsal")
    bot = begin(browser(), PROLIFIC_PID="anna", rehearsal=token)
    assert (person.rehearsal, person.annotator.kind, bot.rehearsal, bot.annotator.kind) == (
        False,
        "person",
        True,
        "bot",
    )


@pytest.mark.parametrize(
    "token",
    ["forged", signing.dumps({"study": "other"}, salt="rehearsal"), signing.dumps({"study": "small"}, salt="x")],
    ids=["forged", "of another study", "of another kind"],
)
def test_a_rehearsal_that_is_not_signed_for_this_study_is_refused(token: str) -> None:
    study()
    response = browser().post("/s/small/start/", {"key": "k" * 32, "rehearsal": token})
    assert (response.status_code, counts()[:2]) == (400, (0, 0))


def test_the_same_rehearsal_gives_the_same_seeds() -> None:
    study()
    token = signing.dumps({"study": "small", "seed": 1}, salt="rehearsal")
    first = begin(browser(), PROLIFIC_PID="bot-1-0", rehearsal=token)
    Participation.objects.all().delete()
    assert begin(browser(), PROLIFIC_PID="bot-1-0", rehearsal=token).seed == first.seed


def test_too_many_starts_from_one_address_are_slowed_down(settings: Any) -> None:
    cache.clear()
    settings.STARTS_PER_MINUTE = 2
    study()
    answers = [browser().post("/s/small/start/", {"key": uuid.uuid4().hex}).status_code for _ in range(4)]
    assert (answers[:2], answers[-1]) == ([302, 302], 429)


def test_the_language_asked_for_is_the_participations_and_turns_the_page_round() -> None:
    study()
    page = browser().get("/s/small/?lang=ar").content.decode()
    assert '<html lang="ar" dir="rtl">' in page
    assert begin(browser(), language="ar").language == "ar"
    assert begin(browser(), language="xx").language == "en"


def test_the_return_link_asks_first_and_then_gives_full_trust_at_a_clean_address() -> None:
    study()
    person = begin(browser())
    elsewhere = browser()
    link = f"/p/return/{return_token(person.pk)}/"
    asked = elsewhere.get(link)
    assert (asked.status_code, elsewhere.session.get("participations")) == (200, None)
    assert elsewhere.post(link).headers["Location"] == f"/p/{person.pk}/consent/c1/"
    assert elsewhere.session["participations"] == {str(person.pk): "full"}


def test_a_return_link_that_nobody_gave_out_leads_nowhere() -> None:
    participation(study())
    assert [browser().get("/p/return/abc/").status_code, browser().post("/p/return/abc/").status_code] == [404, 404]


def test_the_return_link_can_be_shown_again_and_is_not_stored() -> None:
    study()
    client = browser()
    person = begin(client)
    token = return_token(person.pk)
    assert f"http://testserver/p/return/{token}/" in client.get(f"/p/{person.pk}/leave/").content.decode()
    assert token not in str(Participation.objects.values().get(pk=person.pk))


def test_the_welcome_page_says_what_is_paid() -> None:
    study(SMALL | {"payment": {"amount": 9.9, "currency": "GBP", "note": "Paid by the panel."}})
    page = Client().get("/s/small/").content.decode()
    assert "You are paid 9.90 GBP. Paid by the panel." in page


@pytest.mark.parametrize(("kept", "shown"), [(True, True), (False, False)])
def test_a_return_link_outlives_a_new_key_while_the_old_one_is_kept(settings: Any, kept: bool, shown: bool) -> None:
    study()
    client = browser()
    person = begin(client)
    token = return_token(person.pk)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if kept else []
    settings.SECRET_KEY = "another key, long enough for signing sessions and forms"
    elsewhere = browser(person)
    assert (token in elsewhere.get(f"/p/{person.pk}/leave/").content.decode()) == shown
    assert elsewhere.get(f"/p/return/{token}/").status_code == 200
