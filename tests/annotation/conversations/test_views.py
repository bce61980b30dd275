"""The pages of a talk: what each shows, whom it belongs to, what comes back."""

import re
import uuid
from math import inf
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotation.conversations.models import Conversation, Turn
from annotation.conversations.services import keeping
from annotation.conversations.services.conversations import finish_conversation
from annotation.conversations.services.generation import generate
from annotation.items.models import Candidate
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.participation.rehearsal.pages import Page, read_page
from tests.factories import participations, talks
from tests.factories.streams import SCRIPT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _models(db: None) -> None:
    talks.served()


def address(person: Participation, name: str = "talk", *more: Any) -> str:
    return reverse(f"conversations:{name}", args=[person.pk, "chats", *more])


def page(client: Client, person: Participation) -> Page:
    url = address(person)
    return read_page(url, client.get(url).content.decode())


def send(client: Client, form: Any, **fields: Any) -> Any:
    return client.post(form.action, form.values | {name.replace("_", "-"): value for name, value in fields.items()})


def statements(queries: CaptureQueriesContext) -> list[str]:
    """What was asked, without the marks of transactions inside the test's own."""
    return [one["sql"] for one in queries if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]


def talking(person: Participation, turns: int = 1) -> Conversation:
    talk = talks.conversation(person)
    for number in range(turns):
        talks.judged(talks.answered(talk, f"Message {number}"))
    return talk


@pytest.fixture
def person() -> Participation:
    return talks.talker()


@pytest.fixture
def client(person: Participation) -> Client:
    return participations.browser(person)


# -- the way ---------------------------------------------------------------------------------------------------------
def test_a_whole_talk_by_its_pages(client: Client, person: Participation) -> None:
    send(client, page(client, person).forms["type"], type="free")
    for number in range(2):
        send(client, page(client, person).forms["message"], message=f"Message {number}")
        turn = Turn.objects.get(number=number)
        assert page(client, person).turn_events == address(person, "turn_events", turn.pk)
        talks.run_jobs(turn)
        judging = page(client, person).forms["judge"]
        scores = {f"{slot}-score": 90 - 10 * index for index, slot in enumerate(turn.assignment.presentation.slots())}
        assert judging.questions == list(scores)
        client.post(judging.action, judging.values | scores)
    send(client, page(client, person).forms["finish"])
    for question in ("why", "feedback"):
        send(client, page(client, person).forms["after"], **{question: "Because it was good"})
    talk = Conversation.objects.get()
    assert (talk.state, talk.turns.filter(state="judged").count(), Judgement.objects.count()) == ("finished", 2, 4)
    assert list(page(client, person).forms) == ["type"]


def test_looking_creates_nothing(client: Client, person: Participation) -> None:
    for _ in range(3):
        client.get(address(person))
    assert (Conversation.objects.count(), Turn.objects.count()) == (0, 0)


def test_types_show_how_many_of_each_are_done(client: Client, person: Participation) -> None:
    finish_conversation(conversation_id=talking(person, 2).pk, participation=person, now=timezone.now())
    Conversation.objects.update(state="finished")
    soup = BeautifulSoup(client.get(address(person)).content, "html.parser")
    counts = [" ".join(count.get_text().split()) for count in soup.select(".type-count")]
    assert counts == ["1 of 1 done · you can still choose it", "0 of 1 done"]


def test_a_message_sent_by_the_pages_script_is_answered_with_the_talk_itself(
    client: Client, person: Participation
) -> None:
    talks.conversation(person)
    form = page(client, person).forms["message"]
    fields = form.values | {"message": "Hello"}
    assert client.post(form.action, fields, headers={"X-PV-Form": "1"}).status_code == 200
    assert client.post(form.action, fields).headers["Location"] == address(person)
    assert Turn.objects.count() == 1


@pytest.mark.parametrize("turns", [0, 3])
def test_a_message_and_the_page_that_follows_take_as_many_statements_late_in_a_talk_as_at_its_beginning(
    client: Client, person: Participation, turns: int
) -> None:
    talking(person, turns)
    fields = page(client, person).forms["message"].values | {"message": "Hello"}
    with CaptureQueriesContext(connection) as queries:
        client.post(address(person, "message"), fields, headers=SCRIPT)
    # session, participation and talk; the talk is locked and its turns are read; item, models, candidates, draws,
    # place, showing, turn. The page: the receipts of the turns judged, twice how many talks are finished.
    assert len(statements(queries)) == 3 + 2 + 7 + 2 + bool(turns)


def test_a_job_asks_its_model_after_seven_statements(person: Participation, monkeypatch: pytest.MonkeyPatch) -> None:
    # a job that finds a second gone since the last look of its process looks for all: here none does
    monkeypatch.setattr(keeping, "LOOK_EVERY", inf)
    talk = talks.conversation(person)
    talks.judged(talks.answered(talk))
    candidate = talks.said(talk, "And more?").item.candidates.order_by("position")[0]
    with CaptureQueriesContext(connection) as queries:
        generate(candidate_id=candidate.pk, clock=timezone.now)
    asked = [sql.split('"')[1] for sql in statements(queries)]
    # what names one row is not sorted by study and person
    assert [sql.count(" JOIN ") for sql in statements(queries)[:7]] == [4, 0, 2, 0, 0, 1, 0]
    assert asked[:7] == [
        # the turn; the candidate is claimed and read, and its attempt begins
        *("conversations_turn", "items_candidate", "items_candidate", "items_generation"),
        # the model's endpoints are locked, what is under way there is counted, and a place is taken
        *("catalog_servedendpoint", "catalog_openrequest", "catalog_openrequest"),
    ]
    # what comes next is the end of the answer
    assert (asked[7], "catalog_firsttoken" in asked) == ("catalog_servedendpoint", True)


def test_only_answers_that_are_being_written_come_as_a_stream_and_only_to_who_can_read_one(
    client: Client, person: Participation
) -> None:
    talks.conversation(person)
    form = page(client, person).forms["message"]
    kinds = []
    for fields in (form.values | {"message": ""}, form.values | {"message": "Hello"}):
        kinds += [client.post(form.action, fields, headers=SCRIPT | {"Accept": "*/*"})]
        kinds += [client.post(form.action, fields, headers=SCRIPT)]
    talks.run_jobs(Turn.objects.get())
    kinds += [client.post(form.action, fields, headers=SCRIPT)]
    assert [(one.status_code, one.headers["Content-Type"].split(";")[0]) for one in kinds] == [
        (422, "text/html"),
        (422, "text/html"),
        (200, "text/html"),
        (200, "text/event-stream"),
        # the same message again, and its answers are complete
        (200, "text/html"),
    ]


@pytest.mark.parametrize(("text", "said"), [("  ", "Write a message first."), ("x" * 5_003, "3 characters too long")])
def test_a_message_that_cannot_be_sent_comes_back_with_what_was_typed(
    client: Client, person: Participation, text: str, said: str
) -> None:
    talks.conversation(person)
    answer = send(client, page(client, person).forms["message"], message=text)
    again = read_page("", answer.content.decode())
    assert (answer.status_code, Turn.objects.count(), said in again.error) == (422, 0, True)
    assert again.forms["message"].values["message"][0].strip() == text.strip()


def test_a_tie_is_asked_about_with_the_same_key_and_the_ratings_kept(client: Client, person: Participation) -> None:
    talks.answered(talks.conversation(person))
    judging = page(client, person).forms["judge"]
    answer = client.post(judging.action, judging.values | {"A-score": 70, "B-score": 70, "C-score": 20})
    again = read_page(judging.action, answer.content.decode()).forms["judge"]
    assert (answer.status_code, again.choices["chosen"]) == (422, ["A", "B"])
    assert (again.values["key"], again.values["A-score"]) == (judging.values["key"], ["70"])
    client.post(again.action, again.values | {"chosen": "B"})
    assert Judgement.objects.get().choice_rule == "tie_asked"


def test_what_was_typed_into_a_form_is_there_again(client: Client, person: Participation) -> None:
    talks.conversation(person)
    soup = BeautifulSoup(client.get(address(person)).content, "html.parser")
    form = soup.select_one("form[data-form=message]")
    assert form is not None
    draft = {"place": form["data-draft-place"], "field:message": "Half a thou"}
    assert client.post(str(form["data-draft-url"]), draft).status_code == 200
    assert page(client, person).forms["message"].values["message"] == ["Half a thou"]


def test_the_final_text_is_read_from_the_database_when_the_form_opens(client: Client, person: Participation) -> None:
    turn = talks.answered(talks.conversation(person))
    Candidate.objects.filter(item=turn.item).update(content={"text": "What the **database** holds"})
    soup = BeautifulSoup(client.get(address(person)).content, "html.parser")
    assert [body.get_text().strip() for body in soup.select(".answer-body")] == ["What the database holds"] * 3


def test_a_void_turn_says_so_and_offers_the_same_message_again(client: Client, person: Participation) -> None:
    turn = talks.said(talks.conversation(person), "Is anybody there?")
    client.post(address(person, "stop", turn.pk))
    shown = page(client, person)
    assert shown.forms["message"].values["message"] == ["Is anybody there?"]
    send(client, shown.forms["retry"])
    assert [(row.state, row.user_text) for row in Turn.objects.order_by("attempt")] == [
        ("void", "Is anybody there?"),
        ("generating", "Is anybody there?"),
    ]


def test_the_receipt_of_a_judgement_is_shown(client: Client, person: Participation) -> None:
    talking(person)
    soup = BeautifulSoup(client.get(address(person)).content, "html.parser")
    assert [tag["data-receipt"] for tag in soup.select("[data-receipt]")] == [Judgement.objects.get().receipt]


def test_the_chosen_answer_is_marked_where_the_opening_is_shown_again(client: Client, person: Participation) -> None:
    talk = talking(person, 2)
    finish_conversation(conversation_id=talk.pk, participation=person, now=timezone.now())
    opening = talk.turns.get(number=0)
    assert opening.chosen is not None
    soup = BeautifulSoup(client.get(address(person)).content, "html.parser")
    marked = [tag.get_text().strip() for tag in soup.select(".is-chosen .answer-html")]
    assert marked == [opening.chosen.text]
    assert len(soup.select(".others .replied")) == 2


def test_what_the_browser_saw_is_stored_beside_the_showing(client: Client, person: Participation) -> None:
    turn = talks.answered(talks.conversation(person))
    judging = page(client, person).forms["judge"]
    seen = '{"slots": {"A": {"first_ms": 120, "done_ms": 900, "evil": "x"}, "Z": {}}, "viewport": [1280, 900]}'
    timers = '{"submit_ms": 5000, "pastes": 1}'
    fields = {"A-score": 90, "B-score": 70, "C-score": 20, "shown": seen, "timers": timers}
    client.post(judging.action, judging.values | fields)
    turn.assignment.presentation.refresh_from_db()
    assert turn.assignment.presentation.shown == {
        "slots": {"A": {"first_ms": 120, "done_ms": 900}}, "viewport": [1280, 900], "resumed": False,
    }  # fmt: skip
    assert Judgement.objects.get().timings == {"submit_ms": 5000, "pastes": 1}


# -- once ------------------------------------------------------------------------------------------------------------
def test_sending_a_judgement_twice_stores_it_once_and_another_body_is_refused(
    client: Client, person: Participation
) -> None:
    talks.answered(talks.conversation(person))
    judging = page(client, person).forms["judge"]
    fields = judging.values | {"A-score": 90, "B-score": 70, "C-score": 20}
    answers = [client.post(judging.action, fields) for _ in range(2)]
    other = client.post(judging.action, fields | {"A-score": 10})
    assert ([answer.status_code for answer in answers], other.status_code) == ([302, 302], 409)
    assert Judgement.objects.count() == 1


def test_a_form_without_its_key_is_refused(client: Client, person: Participation) -> None:
    talks.conversation(person)
    form = page(client, person).forms["message"]
    assert client.post(form.action, form.values | {"message": "Hi", "key": ""}).status_code == 400
    assert Turn.objects.count() == 0


# -- whose ----------------------------------------------------------------------------------------------------------
def test_somebody_without_this_participation_finds_nothing(person: Participation) -> None:
    turn = talks.answered(talks.conversation(person))
    stranger = participations.browser(talks.talker(person.study))
    names = [("talk",), ("start",), ("message",), ("finish",), ("leave",)]
    names += [(name, turn.pk) for name in ("judge", "stop", "retry")] + [("after", uuid.uuid4())]
    for name, *more in names:
        assert stranger.get(address(person, name, *more)).status_code == 404
        assert stranger.post(address(person, name, *more), {"key": "k" * 12}).status_code == 404


def test_somebody_elses_turn_under_ones_own_address_is_not_found(client: Client, person: Participation) -> None:
    other = talks.answered(talks.conversation(talks.talker(person.study)))
    talks.conversation(person)
    for name in ("judge", "stop", "retry"):
        assert client.post(address(person, name, other.pk), {"key": "k" * 12}).status_code == 404
    assert client.get(address(person, "turn_events", other.pk)).status_code == 404


def test_a_bare_panel_id_is_shown_nothing_of_an_earlier_talk_and_may_begin_anew(person: Participation) -> None:
    talk = talking(person)
    returned = participations.browser(person, trust="panel")
    shown = returned.get(address(person)).content.decode()
    assert [text for text in ("Message 0", "Words of answer") if text in shown] == []
    form = read_page(address(person), shown).forms["continue"]
    returned.post(form.action, form.values)
    talk.refresh_from_db()
    assert (talk.state, list(page(returned, person).forms)) == ("abandoned", ["type"])


def test_a_talk_that_a_bare_panel_id_began_in_this_session_is_theirs_to_see(person: Participation) -> None:
    returned = participations.browser(person, trust="panel")
    send(returned, page(returned, person).forms["type"], type="free")
    send(returned, page(returned, person).forms["message"], message="Mine")
    assert "Mine" in returned.get(address(person)).content.decode()


def test_a_bare_panel_id_can_do_nothing_in_an_earlier_talk(person: Participation) -> None:
    turn = talks.answered(talks.conversation(person))
    returned = participations.browser(person, trust="panel")
    for name, more in (("judge", [turn.pk]), ("message", []), ("finish", []), ("stop", [turn.pk])):
        assert returned.post(address(person, name, *more), {"key": "k" * 12, "message": "x"}).status_code == 404
    assert returned.get(address(person, "turn_events", turn.pk)).status_code == 404


def test_who_is_elsewhere_is_led_there(client: Client, person: Participation) -> None:
    Participation.objects.filter(pk=person.pk).update(step=1, state="completed")
    assert client.get(address(person)).headers["Location"] == reverse("participation:end", args=[person.pk])


def test_an_address_that_takes_forms_leads_whoever_reloads_it_to_the_page(
    client: Client, person: Participation
) -> None:
    assert client.get(address(person, "message")).headers["Location"] == address(person)


# -- blind -----------------------------------------------------------------------------------------------------------
def test_no_page_has_inline_scripts_or_styles_or_asks_another_server(client: Client, person: Participation) -> None:
    talks.answered(talks.conversation(person))
    html = client.get(address(person)).content.decode()
    assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|(?:src|href)=\"https?:", html) == []


def test_a_page_costs_the_same_few_queries_however_long_the_talk_is(
    client: Client, person: Participation, django_assert_max_num_queries: Any
) -> None:
    talk = talking(person, 3)
    talks.answered(talk, "Fourth")
    with django_assert_max_num_queries(24):
        client.get(address(person))
