"""An AI judge takes places, sees what people see, and answers through the same door."""

import hashlib
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.accounts.models import Annotator
from annotation.assignments.models import Assignment
from annotation.assignments.services import expire_overdue
from annotation.common.errors import ConflictError
from annotation.items.importing.media import stored_at
from annotation.items.models import Candidate, Item, MediaFile
from annotation.judgements.models import Judgement
from annotation.participation.models import ConsentRecord, Participation
from annotation.participation.services import withdraw
from annotation.studies.models import Study, StudyVersion
from tests.factories import comparisons
from tests.factories.studies import SMALL
from tests.factories.tokens import Script, researcher, script

pytestmark = pytest.mark.django_db
SKIP = {"reasons": {"unclear": "I cannot tell"}, "max": 1}


def judge(made: Study, **judging: Any) -> Script:
    owner = made.owner or researcher(made)
    return script(owner, "judge", study=made, **judging)


def lease(who: Script, **body: Any) -> dict[str, Any]:
    response = who.send("assignments/lease/", body)
    assert response.status_code == 200, response.content
    return dict(response.json())


def submit(who: Script, card: dict[str, Any], key: str = "k", **body: Any) -> Any:
    sent = body or {"fields": {"A-score": 70, "B-score": "20"}}
    return who.send(f"assignments/{card['assignment']}/submit/", sent, key=key)


def errors(response: Any) -> dict[str, str]:
    return {error["field"]: error["text"] for error in response.json()["errors"]}


# -- coming in ---------------------------------------------------------------------------------------------------------
def test_a_judge_comes_in_once_as_an_annotator_of_its_own_kind_at_its_first_comparisons() -> None:
    questionnaire = {"questionnaire": "survey", "pages": [["agree"]]}
    steps = [{"consent": "c1"}, questionnaire, *comparisons.document()["steps"]]
    made = comparisons.comparing(consent=SMALL["consent"], steps=steps)
    who = judge(made, pool="expert")
    first, again = lease(who), lease(who)
    person = Participation.objects.get()
    assert (first["assignment"], who.ask("token/").json()["annotator"]) == (again["assignment"], str(person.pk))
    assert (person.annotator.kind, person.pool, person.step, person.rehearsal) == ("ai", "expert", 2, False)
    assert (Annotator.objects.count(), ConsentRecord.objects.count()) == (1, 0)


def test_looking_creates_nothing() -> None:
    who = judge(comparisons.comparing())
    who.ask("token/")
    assert Participation.objects.count() == 0


def test_a_judge_cannot_come_into_a_closed_study() -> None:
    made = comparisons.comparing()
    who = judge(made)
    Study.objects.filter(pk=made.pk).update(state=Study.State.CLOSED)
    assert who.send("assignments/lease/").status_code == 409
    assert Participation.objects.count() == 0


def test_a_judge_works_under_the_version_that_people_meet_now() -> None:
    made = comparisons.comparing()
    who = judge(made)
    card = lease(who)
    who.send(f"assignments/{card['assignment']}/give-back/")
    document = made.current.document | {"title": {"*": "Anew"}}
    made.current = StudyVersion.objects.create(
        study=made, number=2, document=document, sha256="2" * 64, published_at=timezone.now()
    )
    made.save()
    place = Assignment.objects.get(pk=lease(who)["assignment"])
    assert (place.version.number, place.participation.version.number) == (2, 2)


def test_a_judge_on_trial_takes_no_place_from_anybody() -> None:
    made = comparisons.comparing(items=1)
    who = judge(made, rehearsal=True)
    assert submit(who, lease(who)).status_code == 201
    rows = Assignment.objects.values_list("rehearsal", "state")
    assert Counter(rows)[False, "open"] == 2
    assert Judgement.objects.get().participation.rehearsal is True


def test_a_judge_gets_only_the_places_of_its_own_pool_and_is_named_a_step_that_is_not_for_it() -> None:
    step = {"overlap": {"crowd": 1, "expert": 2}, "strata": "pool"}
    made = comparisons.comparing(items=2, step=step)
    who = judge(made, pool="expert")
    place = Assignment.objects.get(pk=lease(who)["assignment"])
    assert place.stratum == "expert"
    assert who.send("assignments/lease/", {"step": "other"}).status_code == 404


# -- the card ----------------------------------------------------------------------------------------------------------
def test_a_card_shows_what_people_see_under_slot_letters() -> None:
    made = comparisons.comparing(items=1)
    card = lease(judge(made))
    place = Assignment.objects.get(pk=card["assignment"])
    texts = {str(candidate.pk): candidate.text for candidate in Candidate.objects.all()}
    assert card["context"] == {"messages": [{"role": "user", "content": "Question 0"}]}
    assert [(one["slot"], one["content"]["text"]) for one in card["candidates"]] == [
        (slot, texts[pk]) for slot, pk in place.presentation.slots().items()
    ]
    assert card == judge_again(made, card)


def judge_again(made: Study, card: dict[str, Any]) -> dict[str, Any]:
    """The same card, by a second token of nobody's: not there; by its own address: the same."""
    other = judge(made)
    lease(other)
    assert other.ask(f"assignments/{card['assignment']}/card/").status_code == 404
    return card


def test_a_card_names_no_model_no_candidate_and_no_reason() -> None:
    step = {"gold": {"rate": 1.0}, "overlap": 1}
    made = comparisons.comparing(items=1, step=step)
    (gold,) = comparisons.add_items(made, 1, first=5, gold={"score": {"0": 90}})
    Item.objects.update(context={"messages": [], "text": "Words", "secret_model": "m0", "path": ["a"]})
    Candidate.objects.update(
        content={"text": "Words", "model": "m0", "messages": [{"role": "assistant", "content": "So", "model": "m0"}]},
        context={"documents": [{"title": "T", "text": "D", "model": "m0"}], "model": "m0"},
        pool_entry="m0",
    )
    card = lease(judge(made))
    said = json.dumps(card)
    place = Assignment.objects.get(state="leased")
    hidden = ["m0", "gold", str(place.item_id), *place.presentation.order]
    assert (place.item_id, [word for word in hidden if word in said]) == (gold.pk, [])
    assert card["candidates"][0]["context"] == {"documents": [{"title": "T", "text": "D"}]}


def test_every_question_comes_with_fields_that_are_accepted() -> None:
    who = judge(comparisons.comparing(step={"protocol": "rate"}))
    card = lease(who)
    assert [(one["name"], one["about"], one["field"]) for one in card["questions"]] == [
        ("score", "A", "A-score"),
        ("score", "B", "B-score"),
    ]
    assert card["questions"][0]["definition"]["scale"]["max"] == 100
    fields = {name: value for one in card["questions"] for name, value in one["example"].items()}
    assert submit(who, card, fields=fields).status_code == 201


def test_a_card_has_the_proposed_text_and_the_numbered_sentences_that_a_page_shows() -> None:
    questions = comparisons.COMPARE["questions"] | {
        "picked": {"kind": "extract", "text": "Which sentences?"},
        "reason": {"kind": "rationale", "text": "Why?"},
    }
    protocols = {"rate": {"arrangement": "pair", "about_item": ["picked", "reason"]}}
    made = comparisons.comparing(questions=questions, protocols=protocols)
    documents = [{"title": "Rain", "text": "Rain is wet. Snow is cold."}]
    Item.objects.update(context={"documents": documents, "drafts": {"reason": "It is shorter."}})
    who = judge(made)
    card = lease(who)
    assert {one["name"]: one["shown_with"] for one in card["questions"]} == {
        "picked": {"sentences": ["Rain is wet.", "Snow is cold."]},
        "reason": {"draft": "It is shorter."},
    }
    assert submit(who, card, fields={"picked": ["1"], "reason": "It is shorter."}).status_code == 201
    stored = Judgement.objects.get().answers
    assert [one["text"] for one in stored["picked"][""]["value"]] == ["Snow is cold."]
    assert stored["reason"][""]["details"]["draft"] == "accepted"


# -- answering ---------------------------------------------------------------------------------------------------------
def test_a_judges_answer_is_a_judgement_like_any_other_and_says_who_it_was() -> None:
    made = comparisons.comparing(items=1)
    who = judge(made)
    card = lease(who)
    receipt = submit(who, card, fields={"A-score": 70, "B-score": "20"}, report={"model": "j-1", "seed": 3})
    judgement = Judgement.objects.get()
    order = judgement.assignment.presentation.order
    assert receipt.json() == {
        "judgement": str(judgement.pk),
        "receipt": judgement.receipt,
        "chosen": None,
        "late": False,
        "repeated": False,
    }
    assert [judgement.answers["score"][pk]["value"] for pk in order] == [70, 20]
    assert (judgement.timings, judgement.assignment.state) == ({"report": {"model": "j-1", "seed": 3}}, "done")
    (row,) = script(made.owner, "read").ask("judgements/", kind="ai").json()["results"]
    assert (row["annotator"], row["kind"]) == (str(judgement.participation_id), "ai")


def test_answers_by_question_are_the_same_as_fields() -> None:
    who = judge(comparisons.comparing(items=2))
    for number, body in enumerate(
        (
            {"answers": {"score": {"A": 50, "B": {"": 20}}}},
            {"fields": {"A-score": 50, "A-score-touched": "A-score", "B-score": 20}},
        )
    ):
        assert submit(who, lease(who), key=f"k{number}", **body).status_code == 201
    stored = [
        [row.answers["score"][pk] for pk in row.assignment.presentation.order]
        for row in Judgement.objects.order_by("submitted_at")
    ]
    assert stored[0] == stored[1]
    assert stored[0][0]["details"] == {"touched": True}


def test_a_choice_comes_back_as_a_slot() -> None:
    protocols = {"pick": {"arrangement": "pair", "choice": {"from": "pick", "tie": "explicit"}}}
    made = comparisons.comparing(protocols=protocols, step={"protocol": "pick"})
    who = judge(made)
    card = lease(who)
    assert card["choice"] == {
        "decided_by": "pick", "picked_in": "chosen", "allowed": ["A", "B", "tie"], "none_acceptable": False,
    }  # fmt: skip
    assert submit(who, card, fields={"chosen": "B"}).json()["chosen"] == "B"


def test_the_same_key_and_answers_give_the_same_receipt_and_others_are_refused() -> None:
    who = judge(comparisons.comparing())
    card = lease(who)
    first, again = submit(who, card), submit(who, card)
    assert [first.status_code, again.status_code] == [201, 200]
    assert again.json() == first.json() | {"repeated": True}
    assert submit(who, card, fields={"A-score": 1, "B-score": 2}).status_code == 409
    assert submit(who, card, key="another").status_code == 409
    assert submit(who, lease(who), key="k").status_code == 409
    assert Judgement.objects.count() == 1


def test_wrong_answers_are_named_by_field_and_store_nothing() -> None:
    who = judge(comparisons.comparing())
    card = lease(who)
    refused = submit(who, card, fields={"A-score": 500})
    assert (refused.status_code, sorted(errors(refused))) == (422, ["A-score", "B-score"])
    odd = {
        "no key": who.send(f"assignments/{card['assignment']}/submit/", {"fields": {}}),
        "a key with blanks": submit(who, card, key="a b"),
        "neither": submit(who, card, report={}),
        "both": submit(who, card, fields={}, answers={}),
        "unknown field": submit(who, card, fields={"A-score": 1, "B-score": 2, "C-score": 3}),
        "unknown question": submit(who, card, answers={"colour": "red"}),
        "no value": submit(who, card, fields={"A-score": None}),
        "unknown word": submit(who, card, fields={}, colour="red"),
        "a list": who.post(
            f"/api/v1/assignments/{card['assignment']}/submit/", [], content_type="application/json",
            headers={"Idempotency-Key": "k"},
        ),
    }  # fmt: skip
    assert {name: (one.status_code, list(errors(one))) for name, one in odd.items()} == {
        "no key": (422, ["Idempotency-Key"]),
        "a key with blanks": (422, ["Idempotency-Key"]),
        "neither": (422, ["fields"]),
        "both": (422, ["fields"]),
        "unknown field": (422, ["fields.C-score"]),
        "unknown question": (422, ["fields.colour"]),
        "no value": (422, ["fields.A-score"]),
        "unknown word": (422, ["colour"]),
        "a list": (422, [""]),
    }
    assert (Judgement.objects.count(), Assignment.objects.get(pk=card["assignment"]).state) == (0, "leased")


def test_a_judge_works_until_nothing_is_left_and_never_judges_an_item_twice() -> None:
    made = comparisons.comparing(items=3)
    judges = [judge(made) for _ in range(3)]
    for who in judges:
        while (response := who.send("assignments/lease/")).status_code == 200:
            card = response.json()
            assert submit(who, card, key=card["assignment"]).status_code == 201
        assert response.status_code == 204
    counts = Counter(Judgement.objects.values_list("assignment__item", flat=True))
    assert sorted(counts.values()) == [2, 2, 2]
    assert Judgement.objects.values("participation", "assignment__item").distinct().count() == 6


def test_what_is_asked_first_is_answered_before_the_candidates_show() -> None:
    questions = comparisons.COMPARE["questions"] | {"criterion": {"kind": "short_text", "text": "What counts?"}}
    protocols = {"rate": {"arrangement": "pair", "before": ["criterion"], "per_candidate": ["score"]}}
    who = judge(comparisons.comparing(questions=questions, protocols=protocols))
    card = lease(who)
    assert (card["asks"], card["candidates"], [one["field"] for one in card["questions"]]) == (
        "before", [], ["criterion"],
    )  # fmt: skip
    path = f"assignments/{card['assignment']}/before/"
    assert submit(who, card).status_code == 409
    assert errors(who.send(path, {"answers": {"criterion": ""}})) == {"criterion": "Please answer this question."}
    assert list(errors(who.send(path, {"fields": {"colour": "red"}}))) == ["fields.colour"]
    after = who.send(path, {"answers": {"criterion": "Brevity"}}).json()
    assert (after["asks"], after["said_before"], len(after["candidates"])) == (
        "judgement", {"criterion": "Brevity"}, 2,
    )  # fmt: skip
    again = [who.send(path, {"fields": {"criterion": text}}).status_code for text in ("Brevity", "Length")]
    assert (again, submit(who, card).status_code) == ([200, 409], 201)


def test_the_last_judgement_is_changed_while_the_study_allows_it() -> None:
    who = judge(comparisons.comparing(step={"undo": 60}))
    card = lease(who)
    first = submit(who, card).json()
    path, body = f"assignments/{card['assignment']}/change/", {"fields": {"A-score": 1, "B-score": 2}}
    changed = [who.send(path, body, key="again") for _ in range(2)]
    assert [one.status_code for one in changed] == [201, 200]
    judgement = Judgement.objects.get(pk=changed[0].json()["judgement"])
    assert (str(judgement.replaces_id), Judgement.objects.count()) == (first["judgement"], 2)


def test_a_judgement_is_not_changed_where_the_study_does_not_allow_it() -> None:
    who = judge(comparisons.comparing())
    card = lease(who)
    submit(who, card)
    body = {"fields": {"A-score": 1, "B-score": 2}}
    assert who.send(f"assignments/{card['assignment']}/change/", body, key="again").status_code == 409


def test_a_judge_fetches_the_files_of_its_own_cards_alone(settings: Any) -> None:
    made = comparisons.comparing(items=1)
    content = b"not really an image"
    sha256 = hashlib.sha256(content).hexdigest()
    place = stored_at(Path(settings.MEDIA_ROOT), sha256)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    file = MediaFile.objects.create(
        item_set=Item.objects.get().item_set, kind="image", name="a.png", content_type="image/png", sha256=sha256,
        bytes=len(content), created_at=timezone.now(),
    )  # fmt: skip
    Candidate.objects.update(content={"image": {"media": str(file.pk), "alt": "A cat"}})
    who = judge(made)
    assert who.ask(f"media/{file.pk}/").status_code == 404
    card = lease(who)
    assert card["candidates"][0]["content"] == {"image": {"media": str(file.pk), "alt": "A cat"}}
    sent = who.ask(f"media/{file.pk}/")
    assert (sent.status_code, sent["Content-Type"], b"".join(sent.streaming_content)) == (200, "image/png", content)
    assert judge(made).ask(f"media/{file.pk}/").status_code == 404


# -- holding and handing back ------------------------------------------------------------------------------------------
def test_a_sign_of_life_keeps_the_place() -> None:
    made = comparisons.comparing()
    who = judge(made)
    card = lease(who)
    Assignment.objects.filter(pk=card["assignment"]).update(leased_until=timezone.now() + timedelta(seconds=1))
    until = who.send(f"assignments/{card['assignment']}/heartbeat/").json()["leased_until"]
    assert until > (timezone.now() + timedelta(minutes=29)).isoformat()


def test_a_place_that_was_handed_back_is_open_to_the_same_judge_again() -> None:
    made = comparisons.comparing(items=1, step={"overlap": 1})
    who = judge(made)
    card = lease(who)
    assert who.send(f"assignments/{card['assignment']}/give-back/").status_code == 204
    assert [
        who.send(f"assignments/{card['assignment']}/{verb}/").status_code for verb in ("give-back", "heartbeat")
    ] == [409, 409]
    assert lease(who)["candidates"] == card["candidates"]


def test_an_item_is_skipped_with_a_reason_and_does_not_come_back() -> None:
    made = comparisons.comparing(items=2, step={"skip": SKIP})
    who = judge(made)
    card = lease(who)
    assert card["skip"] == {"reasons": {"unclear": "I cannot tell"}}
    path = f"assignments/{card['assignment']}/skip/"
    assert errors(who.send(path, {"reason": "bored"})) == {"reason": "Say why you skip this item."}
    assert [who.send(path, {"reason": "unclear"}).status_code for _ in range(2)] == [204, 204]
    following = lease(who)
    assert following["context"] != card["context"]
    assert who.send(f"assignments/{following['assignment']}/skip/", {"reason": "unclear"}).status_code == 409


def test_a_late_answer_is_kept_and_marked_while_the_place_is_free() -> None:
    made = comparisons.comparing(items=1, step={"overlap": 1})
    who = judge(made)
    card = lease(who)
    Assignment.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    expire_overdue(now=timezone.now())
    assert submit(who, card).json()["late"] is True


def test_a_place_of_somebody_else_does_not_exist() -> None:
    made = comparisons.comparing()
    who = judge(made)
    lease(who)
    theirs = comparisons.leased(comparisons.person(made))
    paths = [f"assignments/{theirs.pk}/{verb}/" for verb in ("submit", "heartbeat", "give-back", "skip")]
    assert [who.send(path, {"fields": {}} if "submit" in path else {}, key="k").status_code for path in paths] == [
        404
    ] * 4
    assert who.ask(f"assignments/{theirs.pk}/card/").status_code == 404


def test_a_judge_that_staff_took_out_says_nothing_more() -> None:
    who = judge(comparisons.comparing())
    card = lease(who)
    withdraw(participation=Participation.objects.get(), reason="staff", actor="test", now=timezone.now())
    path = f"assignments/{card['assignment']}/"
    sent = [submit(who, card), who.send("assignments/lease/"), who.ask(f"{path}card/"), who.send(f"{path}skip/")]
    assert [one.status_code for one in sent] == [409, 409, 409, 409]
    assert Judgement.objects.count() == 0


def test_what_arrives_after_a_withdrawal_is_refused_under_the_lock() -> None:
    person = comparisons.person(comparisons.comparing())
    place = comparisons.leased(person)
    withdraw(participation=Participation.objects.get(pk=person.pk), reason="staff", actor="t", now=timezone.now())
    # whoever looked before the withdrawal still takes the person for active
    assert person.state == Participation.State.ACTIVE
    with pytest.raises(ConflictError):
        comparisons.judged(place)
    assert (Judgement.objects.count(), Assignment.objects.get(pk=place.pk).state) == (0, "leased")
