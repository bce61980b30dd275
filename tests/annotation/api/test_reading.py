"""What a script reads: whole, in pages, under pseudonyms, and nothing of people who withdrew."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.accounts.models import Annotator, Identity
from annotation.items.models import Candidate, Item, ItemSet, SetJob
from annotation.judgements.models import Judgement
from annotation.participation.services import withdraw
from annotation.studies.document.root import document_sha256
from annotation.studies.models import Study
from tests.factories import talks
from tests.factories.participations import participation
from tests.factories.studies import small, study
from tests.factories.tokens import Script, researcher, script

pytestmark = pytest.mark.django_db


def item_set(made: Study, count: int) -> ItemSet:
    rows = ItemSet.objects.create(study=made, name="pairs")
    for number in range(count):
        an_item(rows, number)
    return rows


def an_item(rows: ItemSet, number: int) -> None:
    external_id, now = f"e{number}", timezone.now()
    item = Item.objects.create(
        item_set=rows, origin="imported", external_id=external_id, ordinal=number, created_at=now
    )
    for position in range(2):
        content = {"text": f"{number}/{position}"}
        Candidate.objects.create(item=item, position=position, state="final", content=content)


def judged_talk() -> tuple[Judgement, Script]:
    talks.served()
    turn = talks.answered(talks.conversation(talks.talker()))
    judgement = talks.judged(turn).judgement
    made = judgement.participation.study
    return judgement, script(researcher(made), "read", study=made)


def everything(reader: Script, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every row, page by page."""
    page = reader.ask(path, **query).json()
    rows = page["results"]
    while page["next"]:
        page = reader.get(page["next"]).json()
        rows += page["results"]
    return list(rows)


# -- studies -----------------------------------------------------------------------------------------------------------
def test_a_published_document_is_read_as_it_was_hashed() -> None:
    made = study()
    reader = script(researcher(made), "read")
    row = reader.ask("studies/small/versions/1/").json()
    assert row["document"] == made.current.document
    assert document_sha256(row["document"]) == row["sha256"] == made.current.sha256
    assert reader.ask("studies/small/versions/").json()["results"] == [
        {key: row[key] for key in ("number", "sha256", "published_at")}
    ]
    assert reader.ask("studies/small/versions/2/").status_code == 404


def test_a_study_says_its_state_and_what_people_meet_now() -> None:
    made = study()
    researcher(made)
    row = script(made.owner, "read").ask("studies/small/").json()
    assert (row["slug"], row["state"], row["version"]) == ("small", "open", 1)
    Study.objects.create(slug="unpublished", title="Not yet", owner=made.owner)
    row = script(made.owner, "read").ask("studies/unpublished/").json()
    assert (row["state"], row["version"]) == ("draft", None)


def test_the_schema_of_documents_is_that_of_the_command_line() -> None:
    schema = script(researcher(), "read").ask("study-schema/").json()
    assert (schema["$schema"], schema["title"]) == ("https://json-schema.org/draft/2020-12/schema", "StudyDocument")


# -- pages -------------------------------------------------------------------------------------------------------------
def test_pages_hold_every_row_once_in_order() -> None:
    made = study()
    rows = item_set(made, 7)
    reader = script(researcher(made), "read")
    found = everything(reader, f"item-sets/{rows.pk}/items/", limit=3)
    assert [row["external_id"] for row in found] == [f"e{number}" for number in range(7)]
    assert [one["content"]["text"] for one in found[6]["candidates"]] == ["6/0", "6/1"]
    assert reader.ask(f"item-sets/{rows.pk}/").json()["items"] == 7


def test_pages_hold_rows_of_the_very_same_time_once_each() -> None:
    made = study()
    rows, now = item_set(made, 0), timezone.now()
    made_jobs = {str(SetJob.objects.create(item_set=rows, kind="import", created_at=now).pk) for _ in range(5)}
    found = everything(script(researcher(made), "read"), f"item-sets/{rows.pk}/jobs/", limit=2)
    assert sorted(row["id"] for row in found) == sorted(made_jobs)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "²"},
        {"cursor": "nothing"},
        {"cursor": "WyJ4IiwgMV0="},
        {"cursor": "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTksIDFd"},
        {"colour": "red"},
        {"external_id": "a\x00b"},
    ],
)
def test_odd_words_of_a_query_are_refused_by_name(query: dict[str, str]) -> None:
    made = study()
    rows = item_set(made, 1)
    response = script(researcher(made), "read").ask(f"item-sets/{rows.pk}/items/", **query)
    assert (response.status_code, [error["field"] for error in response.json()["errors"]]) == (422, list(query))


def test_every_list_asks_the_database_as_often_for_thirty_rows_as_for_one() -> None:
    made = study(talks.document())
    reader = script(researcher(made), "read")
    talks.served()
    rows = item_set(made, 1)
    lists = ["studies/", "annotators/", "assignments/", "judgements/", "conversations/", "item-sets/"]
    lists.append(f"item-sets/{rows.pk}/items/")
    a_talk(made)
    # the first request notes that the token is used
    reader.ask("token/")
    counts = []
    for more in (0, 29):
        for number in range(more):
            a_talk(made)
            another = study(small(study=f"s{number}"))
            Study.objects.filter(pk=another.pk).update(owner=made.owner)
            ItemSet.objects.create(study=made, name=f"more{number}")
            an_item(rows, number + 1)
        counts.append([asked(reader, address) for address in lists])
    assert [[found for found, _ in each] for each in counts] == [[1] * 7, [30] * 7]
    assert [[queries for _, queries in each] for each in counts] == [[2, 2, 2, 2, 2, 2, 4]] * 2


def asked(reader: Script, address: str) -> tuple[int, int]:
    """How many rows, with how many queries."""
    with CaptureQueriesContext(connection) as queries:
        found = reader.ask(address).json()["results"]
    return len(found), len(queries)


def a_talk(made: Study) -> None:
    """A person with one place, one judgement and one talk."""
    talk = talks.conversation(talks.talker(made))
    talks.judged(talks.answered(talk))


# -- people ------------------------------------------------------------------------------------------------------------
def test_nothing_says_who_an_annotator_is_outside() -> None:
    judgement, reader = judged_talk()
    person = judgement.participation
    Identity.objects.create(annotator=person.annotator, provider="prolific", external_id="panel-anna")
    type(person).objects.filter(pk=person.pk).update(panel_session_id="session-anna")
    said = "".join(
        reader.ask(path).content.decode() for path in ("annotators/", "judgements/", "conversations/", "assignments/")
    )
    assert ("anna" in said, str(person.annotator_id) in said, str(person.pk) in said) == (False, False, True)


def test_a_judgement_says_what_was_answered_about_which_candidate_and_where_it_stood() -> None:
    judgement, reader = judged_talk()
    order = judgement.assignment.presentation.order
    (row,) = reader.ask("judgements/", protocol="rate", kind="person", rehearsal="false").json()["results"]
    assert row == reader.ask(f"judgements/{judgement.pk}/").json()
    assert row["shown"] == [{"slot": slot, "candidate": pk} for slot, pk in zip("ABC", order, strict=True)]
    assert (row["chosen"], row["answers"]["score"][order[0]]["value"], row["receipt"]) == (
        order[0], 90, judgement.receipt,
    )  # fmt: skip


def test_filters_narrow_the_list() -> None:
    judgement, reader = judged_talk()
    soon = (judgement.submitted_at + timedelta(seconds=1)).isoformat()
    queries: list[dict[str, Any]] = [
        {"study": "talk"},
        {"study": "other"},
        {"kind": "ai"},
        {"rehearsal": "true"},
        {"since": soon},
        {"since": judgement.submitted_at.isoformat()},
        {"annotator": judgement.participation_id},
        {"item": judgement.assignment_id},
    ]
    assert [len(reader.ask("judgements/", **query).json()["results"]) for query in queries] == [1, 0, 0, 0, 0, 1, 1, 0]


def test_a_conversation_shows_every_turn_with_the_answers_that_were_not_chosen() -> None:
    judgement, reader = judged_talk()
    (talk,) = reader.ask("conversations/").json()["results"]
    (turn,) = reader.ask(f"conversations/{talk['id']}/").json()["turns"]
    assert (turn["user_text"], turn["chosen"]) == ("Hello there", str(judgement.chosen_id))
    assert [one["text"] for one in turn["candidates"]] == [
        one.text for one in Candidate.objects.filter(item=turn["item"])
    ]


def test_who_withdrew_is_in_nothing() -> None:
    judgement, reader = judged_talk()
    paths = [
        "annotators/",
        "judgements/",
        "conversations/",
        "assignments/",
        f"annotators/{judgement.participation_id}/",
        f"judgements/{judgement.pk}/",
        f"assignments/{judgement.assignment_id}/",
    ]
    withdraw(participation=judgement.participation, reason="staff", actor="test", now=timezone.now())
    found = [reader.ask(path) for path in paths]
    assert [one.json().get("results", one.status_code) for one in found] == [[], [], [], [], 404, 404, 404]


def test_a_place_that_nobody_has_is_in_the_list() -> None:
    judgement, reader = judged_talk()
    type(judgement.assignment).objects.filter(pk=judgement.assignment_id).update(participation=None, state="open")
    (row,) = reader.ask("assignments/", state="open").json()["results"]
    assert (row["id"], row["annotator"]) == (str(judgement.assignment_id), None)


# -- not yours ---------------------------------------------------------------------------------------------------------
def test_what_is_of_another_researchers_study_does_not_exist() -> None:
    judgement, _ = judged_talk()
    rows = item_set(judgement.participation.study, 1)
    job = SetJob.objects.create(item_set=rows, kind="import", created_at=timezone.now())
    talk = judgement.participation.conversations.get()
    mine = study()
    participation(mine, annotator=Annotator.objects.create())
    stranger = script(researcher(mine), "read", "items", "export")
    paths = [
        "studies/talk/",
        "studies/talk/versions/",
        "studies/talk/versions/1/",
        f"item-sets/{rows.pk}/",
        f"item-sets/{rows.pk}/items/",
        f"item-sets/{rows.pk}/jobs/",
        f"set-jobs/{job.pk}/",
        f"items/{rows.items.get().pk}/",
        f"assignments/{judgement.assignment_id}/",
        f"judgements/{judgement.pk}/",
        f"annotators/{judgement.participation_id}/",
        f"conversations/{talk.pk}/",
    ]
    assert {path: stranger.ask(path).status_code for path in paths} == dict.fromkeys(paths, 404)
    lists = ["item-sets/", "assignments/", "judgements/", "conversations/", "exports/"]
    assert [stranger.ask(path).json()["results"] for path in lists] == [[]] * 5
    assert [row["slug"] for row in stranger.ask("studies/").json()["results"]] == ["small"]
    assert len(stranger.ask("annotators/").json()["results"]) == 1
