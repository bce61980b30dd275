"""What a person can do with their data, and what nobody else can."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.accounts.models import Annotator, AuditEntry, Identity
from annotation.common.errors import ConflictError
from annotation.participation import services
from annotation.participation.models import Draft, Participation, Withdrawal
from tests.factories.participations import browser, participation
from tests.factories.studies import small, study

pytestmark = pytest.mark.django_db
SECRET_WORDS = "something that only this person knows"
PLACES = [
    ("get", ""),
    ("get", "leave/"),
    ("get", "consent/c1/"),
    ("post", "consent/c1/"),
    ("get", "decline/"),
    ("post", "decline/"),
    ("get", "questions/survey/1/"),
    ("post", "questions/survey/1/"),
    ("post", "draft/"),
    ("get", "end/"),
    ("post", "reopen/"),
    ("get", "my-data/"),
    ("get", "my-data/download/"),
    ("get", "withdraw/"),
    ("post", "withdraw/"),
]


def somebody(**changes: Any) -> Participation:
    """A person with an identity, a consent, an answer and a draft, in the middle of the survey."""
    annotator = Annotator.objects.create()
    Identity.objects.create(annotator=annotator, provider="prolific", external_id="anna-panel-id")
    person = participation(changes.pop("of", None) or study(), annotator=annotator, **changes)
    client = browser(person)
    client.post(f"/p/{person.pk}/consent/c1/", {"agree": "on", "adult": "on"})
    client.post(f"/p/{person.pk}/questions/survey/1/", {"about": SECRET_WORDS, "key": uuid.uuid4().hex})
    client.post(f"/p/{person.pk}/draft/", {"place": "survey/1", "field:warmth": "12"})
    person.refresh_from_db()
    return person


def ended(days_ago: int, **changes: Any) -> Participation:
    moment = timezone.now() - timedelta(days=days_ago)
    return participation(study(), state="completed", step=2, ended_at=moment, **changes)


# ---- nobody else -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("method", "place"), PLACES)
def test_a_stranger_finds_nothing(method: str, place: str) -> None:
    person = somebody()
    answer = getattr(browser(), method)(f"/p/{person.pk}/{place}", {"key": "k" * 32, "place": "survey/0"})
    assert answer.status_code == 404
    assert Participation.objects.get() == person
    assert (Participation.objects.get().state, Participation.objects.get().step) == ("active", 1)


@pytest.mark.parametrize(("method", "place"), PLACES)
def test_another_participant_of_the_same_study_finds_nothing(method: str, place: str) -> None:
    person = somebody()
    other = participation(person.study)
    answer = getattr(browser(other), method)(f"/p/{person.pk}/{place}", {"key": "k" * 32, "place": "survey/0"})
    assert answer.status_code == 404


def test_a_panel_id_alone_goes_on_at_the_same_place_and_shows_nothing_from_before() -> None:
    person = somebody()
    client = browser(person, trust="panel")
    shown = {
        place: client.get(f"/p/{person.pk}/{place}", follow=True)
        for place in ("", "leave/", "questions/survey/1/", "my-data/", "my-data/download/", "withdraw/")
    }
    assert [place for place, page in shown.items() if SECRET_WORDS in page.content.decode()] == []
    assert [place for place, page in shown.items() if "/p/return/" in page.content.decode()] == []
    assert {place: page.status_code for place, page in shown.items()} == {
        "": 200, "leave/": 200, "questions/survey/1/": 200, "my-data/": 403, "my-data/download/": 403, "withdraw/": 403,
    }  # fmt: skip
    assert shown[""].redirect_chain[-1][0] == f"/p/{person.pk}/questions/survey/2/"


def test_a_panel_id_alone_neither_withdraws_nor_overwrites_a_draft() -> None:
    person = somebody()
    client = browser(person, trust="panel")
    answers = [
        client.post(f"/p/{person.pk}/withdraw/").status_code,
        client.post(f"/p/{person.pk}/draft/", {"place": "survey/1", "field:warmth": "99"}).status_code,
    ]
    assert (answers, Withdrawal.objects.count(), Draft.objects.get(place="survey/1").fields) == (
        [403, 404], 0, {"warmth": ["12"]},
    )  # fmt: skip


def test_what_is_sent_with_a_panel_id_alone_is_stored_and_not_shown_again() -> None:
    person = somebody()
    client = browser(person, trust="panel")
    answer = client.post(
        f"/p/{person.pk}/questions/survey/2/", {"warmth": "5", "warmth-touched": "warmth", "key": uuid.uuid4().hex}
    )
    assert answer.headers["Location"] == f"/p/{person.pk}/questions/survey/3/"
    assert person.profile.filter(question="warmth", value=5).count() == 1
    assert Draft.objects.get(place="survey/1").fields == {"warmth": ["12"]}


# ---- my data ---------------------------------------------------------------------------------------------------------
def test_my_data_is_everything_that_is_stored() -> None:
    person = somebody()
    answer = browser(person).get(f"/p/{person.pk}/my-data/download/")
    stored = json.loads(answer.content)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data-small.json"'
    assert stored["participation"]["id"] == str(person.pk)
    assert stored["participation"]["study_version_sha256"] == person.version.sha256
    assert [one["external_id"] for one in stored["identity"]] == ["anna-panel-id"]
    assert [one["statements"] for one in stored["consents"]] == [
        {"agree": "I agree to take part", "adult": "I am 18 or over"}
    ]
    assert [(one["question"], one["value"], one["missing"]) for one in stored["answers"]] == [
        ("about", SECRET_WORDS, ""),
        ("more", None, "unanswered"),
    ]
    assert [(one["step"], one["page"]) for one in stored["page_times"]] == [("c1", 0), ("survey", 0)]
    assert {one["place"]: one["fields"] for one in stored["drafts"]} == {
        "survey/0": {"about": [SECRET_WORDS]},
        "survey/1": {"warmth": ["12"]},
    }


def test_the_page_of_my_data_shows_it_under_the_questions_as_they_were_asked() -> None:
    person = somebody()
    html = browser(person).get(f"/p/{person.pk}/my-data/").content.decode()
    wanted = ("What matters to you?", SECRET_WORDS, "anna-panel-id", "I agree to take part", "left open")
    assert [text for text in wanted if text not in html] == []


def test_what_somebody_typed_is_never_read_as_html() -> None:
    person = somebody()
    now = timezone.now()
    services.save_draft(participation=person, place="survey/1", fields={"x": ["<script>alert(1)</script>"]}, now=now)
    html = browser(person).get(f"/p/{person.pk}/my-data/").content.decode()
    assert ("<script>alert" in html, "&lt;script&gt;alert" in html) == (False, True)


# ---- withdrawal ------------------------------------------------------------------------------------------------------
def test_withdrawing_asks_first() -> None:
    person = somebody()
    html = browser(person).get(f"/p/{person.pk}/withdraw/").content.decode()
    assert ("until 14 days after the end" in html, Withdrawal.objects.count()) == (True, 0)


def test_withdrawing_leaves_a_tombstone_and_erases_who_it_was() -> None:
    person = somebody(panel_study_id="s1", panel_session_id="x1")
    client = browser(person)
    client.post(f"/p/{person.pk}/withdraw/")
    person.refresh_from_db()
    assert (person.state, person.panel_study_id, person.panel_session_id) == ("withdrawn", "", "")
    assert (Identity.objects.count(), Draft.objects.count(), person.withdrawal.reason) == (0, 0, "person")
    assert list(AuditEntry.objects.values_list("actor", "action", "subject")) == [
        (f"annotator {person.annotator_id}", "withdraw", f"participation {person.pk}")
    ]
    assert 'data-end="withdrawn"' in client.get(f"/p/{person.pk}/", follow=True).content.decode()


def test_withdrawing_twice_is_one_tombstone() -> None:
    person = somebody()
    now = timezone.now()
    first, second = (services.withdraw(participation=person, reason="person", actor="x", now=now) for _ in range(2))
    assert (first, Withdrawal.objects.count(), AuditEntry.objects.count()) == (second, 1, 1)


def test_who_takes_part_elsewhere_stays_known_there_and_is_cut_off_here() -> None:
    person = somebody()
    elsewhere = participation(study(small(study="other")), annotator=person.annotator)
    services.withdraw(participation=person, reason="person", actor="x", now=timezone.now())
    assert person.annotator_id != elsewhere.annotator_id
    assert Identity.objects.get().annotator_id == elsewhere.annotator_id


@pytest.mark.parametrize(("days_ago", "state"), [(13, "withdrawn"), (15, "completed")])
def test_after_the_end_withdrawing_has_a_time_limit(days_ago: int, state: str) -> None:
    person = ended(days_ago)
    browser(person).post(f"/p/{person.pk}/withdraw/")
    assert Participation.objects.get().state == state


def test_staff_can_withdraw_somebody_at_any_time() -> None:
    person = ended(100)
    services.withdraw(participation=person, reason="staff", actor="researcher", now=timezone.now())
    assert person.state == "withdrawn"


def test_too_late_says_when_it_was_over_and_whom_to_ask() -> None:
    person = ended(15)
    html = browser(person).get(f"/p/{person.pk}/withdraw/").content.decode()
    assert ("The time for withdrawing was over on" in html, "team@example.org" in html) == (True, True)
    with pytest.raises(ConflictError):
        services.withdraw(participation=person, reason="person", actor="x", now=timezone.now())


def test_who_withdraws_after_the_end_is_given_no_second_code() -> None:
    person = ended(1)
    client = browser(person)
    client.post(f"/p/{person.pk}/withdraw/")
    assert "data-completion-code" not in client.get(f"/p/{person.pk}/end/").content.decode()


# ---- retention -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("days_ago", "kept"), [(29, 1), (31, 0)])
def test_identities_are_erased_when_their_time_is_over(days_ago: int, kept: int) -> None:
    moment = timezone.now() - timedelta(days=days_ago)
    annotator = Annotator.objects.create()
    Identity.objects.create(annotator=annotator, provider="prolific", external_id="anna")
    made = study(small(retention={"identity_days": 30}))
    participation(made, annotator=annotator, state="completed", ended_at=moment, panel_session_id="x1")
    services.erase_expired_identities(now=timezone.now())
    assert (Identity.objects.count(), Participation.objects.get().panel_session_id) == (kept, "x1" if kept else "")


def test_an_identity_stays_while_another_study_keeps_it() -> None:
    annotator = Annotator.objects.create()
    Identity.objects.create(annotator=annotator, provider="prolific", external_id="anna")
    long_ago = timezone.now() - timedelta(days=100)
    for slug, days in (("short", 30), ("long", None)):
        made = study(small(study=slug, retention={"identity_days": days}))
        participation(made, annotator=annotator, state="completed", ended_at=long_ago)
    assert (services.erase_expired_identities(now=timezone.now()), Identity.objects.count()) == (0, 1)


# ---- logs ------------------------------------------------------------------------------------------------------------
def test_logs_have_ids_and_never_what_was_written(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    made = study()
    client.post(f"/s/{made.slug}/start/", {"key": "k" * 32, "PROLIFIC_PID": "anna-panel-id"})
    person = Participation.objects.get()
    client.post(f"/p/{person.pk}/consent/c1/", {"agree": "on", "adult": "on"})
    client.post(f"/p/{person.pk}/questions/survey/1/", {"about": SECRET_WORDS, "key": uuid.uuid4().hex})
    client.post(f"/p/{person.pk}/withdraw/")
    assert str(person.pk) in caplog.text
    assert [words for words in (SECRET_WORDS, "anna-panel-id") if words in caplog.text] == []
