"""The way through the steps: consent, pages of questions, the end."""

import hashlib
import json
import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.participation import services
from annotation.participation.models import ConsentRecord, Draft, PageVisit, Participation, ProfileEntry
from annotation.participation.queries import progress
from tests.factories.participations import browser, participation
from tests.factories.studies import small, study

pytestmark = pytest.mark.django_db
CODES = ("C-DONE", "C-OUT", "C-FULL", "C-NO", "C-LATE")
TIMERS = json.dumps(
    {
        "first_click_ms": 900,
        "last_click_ms": 4_000,
        "submit_ms": 5_000,
        "clicks": 7,
        "blurs": 1,
        "hidden_ms": 250,
        "pastes": 2,
        "keys": 40,
        "viewport": [375, 700],
    }
)


def at(step: int, page: int = 0, **changes: Any) -> tuple[Participation, Client]:
    person = participation(study(), step=step, page=page, **changes)
    return person, browser(person)


def send(client: Client, person: Participation, number: int, **fields: Any) -> Any:
    fields = {"key": uuid.uuid4().hex} | fields
    return client.post(f"/p/{person.pk}/questions/survey/{number}/", fields)


def stored(person: Participation) -> list[tuple[str, Any, str]]:
    return list(
        ProfileEntry.objects.filter(participation=person).order_by("pk").values_list("question", "value", "missing")
    )


# ---- consent ---------------------------------------------------------------------------------------------------------
def test_consent_stores_what_was_ticked_and_the_hash_of_all_that_was_shown() -> None:
    person, client = at(0)
    response = client.post(f"/p/{person.pk}/consent/c1/", {"agree": "on", "adult": "on"})
    record = ConsentRecord.objects.get()
    shown = {
        "statements": {
            "adult": "I am 18 or over",
            "agree": "I agree to take part",
            "reuse": "Others may use my answers",
        },
        "text": "We ask you **three things**.",
    }
    assert response.headers["Location"] == f"/p/{person.pk}/questions/survey/1/"
    assert record.statements == {"agree": "I agree to take part", "adult": "I am 18 or over"}
    assert record.sha256 == hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def test_a_statement_that_must_be_ticked_stops_who_did_not() -> None:
    person, client = at(0)
    response = client.post(f"/p/{person.pk}/consent/c1/", {"agree": "on"})
    html = response.content.decode()
    assert (response.status_code, ConsentRecord.objects.count(), html.count('aria-invalid="true"')) == (422, 0, 1)
    assert "<title>Error: " in html
    assert '<a href="#adult">I am 18 or over' in html


def test_the_consent_page_has_its_times_too() -> None:
    person, client = at(0)
    client.post(f"/p/{person.pk}/consent/c1/", {"agree": "on", "adult": "on", "timers": TIMERS})
    assert PageVisit.objects.values_list("step", "page", "submit_ms", "click_count").get() == ("c1", 0, 5_000, 7)


def test_consenting_twice_is_one_record() -> None:
    person, client = at(0)
    for _ in range(2):
        client.post(f"/p/{person.pk}/consent/c1/", {"agree": "on", "adult": "on"})
    assert (ConsentRecord.objects.count(), Participation.objects.get().step) == (1, 1)


def test_declining_asks_first_and_then_ends_without_consent() -> None:
    person, client = at(0)
    client.get(f"/p/{person.pk}/decline/")
    assert Participation.objects.get().state == "active"
    client.post(f"/p/{person.pk}/decline/")
    html = client.get(f"/p/{person.pk}/end/").content.decode()
    assert (Participation.objects.get().state, 'data-end="no_consent"' in html, "C-NO" in html) == (
        "no_consent", True, True,
    )  # fmt: skip
    assert client.post(f"/p/{person.pk}/consent/c1/", {"agree": "on", "adult": "on"}).status_code == 302
    assert ConsentRecord.objects.count() == 0


# ---- pages -----------------------------------------------------------------------------------------------------------
def test_the_four_ways_of_not_answering_are_stored_apart() -> None:
    document = small()
    document["questions"]["cool"] = document["questions"]["warmth"] | {"text": "How cool is it?"}
    document["steps"][1]["pages"] = [["more", "warmth", "cool", "why_cold"]]
    person = participation(study(document), step=1)
    send(browser(person), person, 1, **{"more": "", "warmth-na": "on", "cool-pnts": "on"})
    assert stored(person) == [
        ("more", None, "unanswered"),
        ("warmth", None, "not_applicable"),
        ("cool", None, "prefer_not_to_say"),
        ("why_cold", None, "not_shown"),
    ]


def test_a_page_stores_answers_and_times_and_leads_to_the_next() -> None:
    person, client = at(1)
    response = send(client, person, 1, about="Peace", timers=TIMERS)
    visit = PageVisit.objects.get()
    assert response.headers["Location"] == f"/p/{person.pk}/questions/survey/2/"
    assert stored(person) == [("about", "Peace", ""), ("more", None, "unanswered")]
    assert (visit.step, visit.page, visit.first_click_ms, visit.last_click_ms, visit.submit_ms, visit.click_count) == (
        "survey", 0, 900, 4_000, 5_000, 7,
    )  # fmt: skip
    assert visit.details == {"blurs": 1, "hidden_ms": 250, "pastes": 2, "keys": 40, "viewport": [375, 700]}
    assert (visit.submitted_at - visit.shown_at).total_seconds() == 5


@pytest.mark.parametrize("timers", ["", "{", "[]", '{"submit_ms": -1, "clicks": "x", "viewport": [1]}', "9" * 9_000])
def test_odd_timers_count_as_not_measured(timers: str) -> None:
    person, client = at(1)
    send(client, person, 1, about="Peace", timers=timers)
    assert PageVisit.objects.values_list("submit_ms", "click_count", "shown_at", "details").get() == (
        None, None, None, {},
    )  # fmt: skip


def test_a_page_that_shows_nothing_is_passed_and_stored_as_not_shown() -> None:
    person, client = at(1, page=1)
    response = send(client, person, 2, **{"warmth": "80", "warmth-touched": "warmth"})
    assert response.headers["Location"] == f"/p/{person.pk}/end/"
    assert stored(person) == [("warmth", 80, ""), ("why_cold", None, "not_shown")]


def test_conditions_read_earlier_pages() -> None:
    person, client = at(1, page=1)
    response = send(client, person, 2, **{"warmth": "3", "warmth-touched": "warmth"})
    assert response.headers["Location"] == f"/p/{person.pk}/questions/survey/3/"
    assert 'data-question="why_cold"' in client.get(response.headers["Location"]).content.decode()


def test_a_page_with_a_mistake_comes_back_as_it_was_with_the_same_key() -> None:
    person, client = at(1)
    response = send(client, person, 1, about="", more="Kept words", key="k" * 32)
    html = response.content.decode()
    assert (response.status_code, stored(person), "<title>Error: " in html) == (422, [], True)
    assert [text in html for text in ("Kept words", f'value="{"k" * 32}"', "data-pv-focus", 'href="#about"')] == [
        True
    ] * 4


def test_the_same_page_sent_twice_under_one_key_is_one_set_of_rows() -> None:
    person, client = at(1)
    first, second = (send(client, person, 1, about="Peace", key="k" * 32) for _ in range(2))
    assert (len(stored(person)), PageVisit.objects.count()) == (2, 1)
    assert first.headers["Location"] == second.headers["Location"]


def test_the_same_key_with_other_answers_is_refused_and_the_first_stay() -> None:
    person, client = at(1)
    send(client, person, 1, about="Peace", key="k" * 32)
    refused = send(client, person, 1, about="War", key="k" * 32)
    assert (refused.status_code, stored(person)[0]) == (409, ("about", "Peace", ""))
    assert f'href="/p/{person.pk}/questions/survey/2/"' in refused.content.decode()


def test_a_page_without_a_key_is_refused() -> None:
    person, client = at(1)
    assert (send(client, person, 1, about="Peace", key="").status_code, stored(person)) == (400, [])


def test_back_shows_what_was_sent_and_sending_it_again_adds_rows() -> None:
    person, client = at(1)
    send(client, person, 1, about="Peace")
    assert "Peace" in client.get(f"/p/{person.pk}/questions/survey/1/").content.decode()
    send(client, person, 1, about="Quiet")
    assert [value for question, value, _ in stored(person) if question == "about"] == ["Peace", "Quiet"]
    assert Participation.objects.get().page == 1


def test_a_page_ahead_cannot_be_opened_or_sent() -> None:
    person, client = at(1)
    shown, sent = client.get(f"/p/{person.pk}/questions/survey/2/"), send(client, person, 2, warmth="5")
    assert (shown.headers["Location"], sent.status_code, stored(person)) == (
        f"/p/{person.pk}/questions/survey/1/", 409, [],
    )  # fmt: skip


def test_a_step_without_back_shows_no_earlier_page() -> None:
    document = small()
    document["steps"][1]["back"] = False
    person = participation(study(document), step=1, page=1)
    client = browser(person)
    assert client.get(f"/p/{person.pk}/questions/survey/1/").status_code == 302
    assert send(client, person, 1, about="x").status_code == 409


def test_a_page_that_is_over_leads_to_the_present_place() -> None:
    person, client = at(1)
    services.end_participation(participation=person, state="screened_out", now=timezone.now())
    assert client.get(f"/p/{person.pk}/questions/survey/1/").headers["Location"] == f"/p/{person.pk}/end/"


# ---- drafts ----------------------------------------------------------------------------------------------------------
def save(client: Client, person: Participation, **fields: str) -> Any:
    return client.post(
        f"/p/{person.pk}/draft/", {"place": "survey/0", **{f"field:{name}": value for name, value in fields.items()}}
    )


def test_what_is_typed_is_there_again_after_a_reload() -> None:
    person, client = at(1)
    saved = save(client, person, about="Half a sen", key="k" * 32)
    assert list(saved.json()) == ["saved_at"]
    assert "Half a sen" in client.get(f"/p/{person.pk}/questions/survey/1/").content.decode()
    assert Draft.objects.get().fields == {"about": ["Half a sen"]}


def test_a_draft_that_arrives_after_its_page_changes_nothing() -> None:
    person, client = at(1)
    send(client, person, 1, about="Done", key="k" * 32)
    save(client, person, about="Late", key="k" * 32)
    assert Draft.objects.get().fields["about"] == ["Done"]


def test_drafts_of_a_step_go_when_it_is_done() -> None:
    person, client = at(1)
    send(client, person, 1, about="Peace")
    send(client, person, 2, **{"warmth": "80", "warmth-touched": "warmth"})
    assert Draft.objects.count() == 0


@pytest.mark.parametrize(
    "fields", [{"place": ""}, {"place": "a b"}, {"place": "survey/0", "field:about": "x" * 400_001}]
)
def test_a_draft_that_is_too_much_or_has_no_place_is_refused(fields: dict[str, str]) -> None:
    person, client = at(1)
    assert (client.post(f"/p/{person.pk}/draft/", fields).status_code, Draft.objects.count()) == (400, 0)


# ---- moving on -------------------------------------------------------------------------------------------------------
def test_completing_a_step_twice_moves_on_once() -> None:
    person, _ = at(0)
    now = timezone.now()
    moved = [services.complete_step(participation=person, step="c1", now=now) for _ in range(2)]
    assert (moved, person.step, person.state) == ([True, False], 1, "active")


def test_completing_an_unknown_step_does_nothing() -> None:
    person, _ = at(0)
    assert not services.complete_step(participation=person, step="unknown", now=timezone.now())
    assert (person.step, person.state) == (0, "active")


def test_the_last_step_before_a_closing_debrief_completes_the_participation() -> None:
    person, _ = at(1)
    now = timezone.now()
    services.complete_step(participation=person, step="survey", now=now)
    assert (person.step, person.state, person.ended_at) == (2, "completed", now)


def test_progress_counts_steps_and_the_minutes_of_the_document() -> None:
    version = study().current
    places = [(0, 0), (1, 0), (1, 1), (1, 2)]
    at_places = [progress(Participation(version=version, step=step, page=page)) for step, page in places]
    assert [(one.number, one.count, one.percent, one.minutes_left) for one in at_places] == [
        (1, 2, 0, 5), (2, 2, 20, 4), (2, 2, 47, 3), (2, 2, 73, 2),
    ]  # fmt: skip


def test_a_text_between_steps_is_passed_by_its_button() -> None:
    document = small()
    document["steps"].insert(1, {"debrief": {"name": "note", "text": "A word in between."}})
    person = participation(study(document), step=1)
    client = browser(person)
    assert "A word in between." in client.get(f"/p/{person.pk}/text/note/").content.decode()
    assert client.post(f"/p/{person.pk}/text/note/").headers["Location"] == f"/p/{person.pk}/questions/survey/1/"


@pytest.mark.parametrize(
    ("pool", "shown"),
    [("raters", [1, 2]), ("judges", [1, 3]), ("", [1])],
)
def test_steps_of_other_pools_are_passed_over_and_not_counted(pool: str, shown: list[int]) -> None:
    document = small() | {"pools": ["raters", "judges"]}
    notes = [{"debrief": {"name": name, "text": "For you.", "pools": [name]}} for name in ("raters", "judges")]
    document["steps"][2:2] = notes
    person = participation(study(document), step=1, pool=pool)
    passed = []
    while person.state == "active":
        passed.append(person.step)
        services.complete_step(participation=person, step=step_name(person), now=timezone.now())
    assert (passed, person.step, progress(person).count) == (shown, 4, 1 + len(shown))


def step_name(person: Participation) -> str:
    return str(person.version.document["steps"][person.step]["name"])


# ---- ends ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("completed", "C-DONE"),
        ("screened_out", "C-OUT"),
        ("full", "C-FULL"),
        ("no_consent", "C-NO"),
        ("timed_out", "C-LATE"),
        ("withdrawn", "C-NO"),
    ],
)
def test_every_end_has_its_code_and_leads_back_to_the_panel(state: str, code: str) -> None:
    person = participation(study(), state=state, step=2 if state == "completed" else 1, ended_at=timezone.now())
    html = browser(person).get(f"/p/{person.pk}/end/").content.decode()
    assert [one for one in CODES if one in html] == [code]
    assert f'data-end="{state}"' in html
    assert f'href="https://panel.example/complete?cc={code}"' in html


@pytest.mark.parametrize(("step", "page"), [(0, 0), (1, 0), (1, 2)])
def test_nobody_sees_a_code_before_the_end(step: int, page: int) -> None:
    person, client = at(step, page)
    pages = [client.get(f"/p/{person.pk}/{where}", follow=True).content.decode() for where in ("end/", "", "my-data/")]
    assert [
        part for part in ("C-DONE", "C-OUT", "C-FULL", "C-NO", "C-LATE") if any(part in html for html in pages)
    ] == []


# ---- how much the database is asked ----------------------------------------------------------------------------------
@pytest.mark.parametrize("answers", [1, 30])
def test_a_page_of_questions_asks_the_database_four_times(answers: int, django_assert_num_queries: Any) -> None:
    person, client = at(1)
    client.get(f"/p/{person.pk}/questions/survey/1/")
    now = timezone.now()
    for _ in range(answers):
        ProfileEntry.objects.create(
            participation=person, version=person.version, step="survey", question="about", value="x", answered_at=now
        )
    with django_assert_num_queries(4):
        client.get(f"/p/{person.pk}/questions/survey/1/")
