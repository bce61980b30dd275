"""Cards of comparisons as a person meets them: begun, judged, changed, skipped, finished."""

import re
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.assignments.models import Assignment, Presentation
from annotation.common.errors import ConflictError
from annotation.judgements.models import Judgement
from annotation.judgements.services import change_judgement
from annotation.participation.models import Draft, Participation
from tests.factories import cards, participations, studies

pytestmark = pytest.mark.django_db


def url(person: Participation, rest: str = "") -> str:
    return f"/p/{person.pk}/judge/cards/{rest}"


def soup(response: Any) -> Any:
    return BeautifulSoup(response.content, "html.parser")


def key_in(html: bytes) -> str:
    found = re.search(r'name="key" value="(\w+)"', html.decode())
    assert found
    return found[1]


def begun(person: Participation) -> Client:
    """A browser with the first card in front of it."""
    client = participations.browser(person)
    client.post(url(person, "begin/"))
    return client


def send(client: Client, place: Assignment, **fields: str) -> Any:
    person = place.participation
    assert person is not None
    posted = {"key": cards.key(), "chosen": "A"} | {name.replace("_", "-"): value for name, value in fields.items()}
    return client.post(url(person, f"{place.pk}/"), posted, headers={"X-PV-Form": "1"})


def test_opening_the_step_takes_no_place_and_beginning_takes_one() -> None:
    person = cards.judge()
    client = participations.browser(person)
    page = client.get(url(person))
    assert page.status_code == 200
    assert Assignment.objects.filter(state="leased").count() == 0
    assert client.post(url(person, "begin/")).status_code == 302
    assert Assignment.objects.filter(state="leased", participation=person).count() == 1


def test_a_card_shows_each_candidate_under_its_slot_and_names_no_model_and_no_candidate() -> None:
    person = cards.judge()
    page = begun(person).get(url(person))
    place = cards.held(person)
    texts = {str(one.pk): one.text for one in place.item.candidates.all()}
    shown = {
        one["data-slot"]: one.select_one(".answer-html").get_text(strip=True) for one in soup(page).select(".answer")
    }
    assert shown == {slot: texts[pk] for slot, pk in place.presentation.slots().items()}
    html = page.content.decode()
    assert [word for word in (*texts, "secret-model", str(place.item_id)) if word in html] == []


def test_a_judgement_is_stored_by_candidate_and_the_next_card_comes_with_its_receipt() -> None:
    person = cards.judge()
    client = begun(person)
    place = cards.held(person)
    page = send(
        client, place, chosen="B", why="It is clearer.", shown='{"viewport": [375, 740], "slots": {"A": {"seen": 1}}}'
    )
    judgement = Judgement.objects.get()
    assert str(judgement.chosen_id) == place.presentation.slots()["B"]
    assert judgement.answers["why"][""]["value"] == "It is clearer."
    assert soup(page).select_one("[data-receipt]")["data-receipt"] == judgement.receipt
    assert cards.held(person).pk != place.pk
    assert Presentation.objects.get(assignment=place).shown == {"viewport": [375, 740], "slots": {"A": {"seen": 1.0}}}


def test_the_same_form_twice_is_one_judgement_and_another_body_under_its_key_is_refused() -> None:
    person = cards.judge()
    client = begun(person)
    place = cards.held(person)
    same = cards.key()
    codes = [send(client, place, key=same, chosen=slot).status_code for slot in ("A", "A", "B")]
    assert (codes, Judgement.objects.count()) == ([200, 200, 409], 1)


def test_a_card_without_a_choice_comes_back_with_its_mistakes_and_what_was_typed() -> None:
    person = cards.judge()
    client = begun(person)
    page = send(client, cards.held(person), chosen="", why="Hm.")
    assert page.status_code == 422
    shown = soup(page)
    assert [link["href"] for link in shown.select("[data-error-summary] a")] == ["#answer-A"]
    assert shown.select_one("textarea[name=why]").text.strip() == "Hm."
    assert shown.title.text.strip().startswith("Error:")


def test_candidates_are_called_what_the_document_calls_them_and_what_stood_there_is_stored() -> None:
    called = {"about_item": [], "per_candidate": ["score"], "label": {"*": "Advert {slot}", "de": "Anzeige {slot}"}}
    made = studies.study(cards.document(protocol=called, languages=["en", "de"]))
    for _ in range(2):
        cards.item(made)
    cards.open_all(made)
    seen = {}
    for language in ("en", "de"):
        person = participations.participation(made, language=language)
        client = begun(person)
        refused = soup(send(client, cards.held(person)))
        summary = [link.text.strip() for link in refused.select("[data-error-summary] a")]
        titles = [title.get_text(" ", strip=True) for title in refused.select(".answer h3")]
        seen[language] = (titles, summary, Presentation.objects.get(assignment__participation=person).labels)
    missing = "Please answer this question."
    assert seen == {
        "en": (
            ["A Advert A", "B Advert B"],
            [f"Advert A – {missing}", f"Advert B – {missing}"],
            ["Advert A", "Advert B"],
        ),
        "de": (
            ["A Anzeige A", "B Anzeige B"],
            [f"Anzeige A – {missing}", f"Anzeige B – {missing}"],
            ["Anzeige A", "Anzeige B"],
        ),
    }


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, ["None of these is acceptable", "What is wrong with them?", "None is acceptable"]),
        (
            {"text": "None of these represents me", "reason_text": "What is lacking?"},
            ["None of these represents me", "What is lacking?", "Save and go on"],
        ),
    ],
)
def test_what_it_means_that_none_will_do_is_said_in_the_studys_own_words(rule: dict[str, str], said: list[str]) -> None:
    person = cards.judge(protocol={"choice": {"from": "pick", "none_acceptable": rule}})
    client = begun(person)
    offered = soup(client.get(url(person))).select_one("details.none")
    words = [offered.select_one(part).get_text(" ", strip=True) for part in ("summary", "label", "button")]
    assert words == said


def test_after_the_last_card_the_step_is_done() -> None:
    person = cards.judge()
    client = begun(person)
    send(client, cards.held(person))
    last = send(client, cards.held(person))
    person.refresh_from_db()
    assert (last.status_code, last.headers["X-PV-Location"]) == (204, f"/p/{person.pk}/end/")
    assert (person.state, Judgement.objects.count()) == ("completed", 2)


def test_the_last_judgement_can_be_changed_while_the_document_lets_it_and_the_old_one_stays() -> None:
    person = cards.judge(step={"undo": 60})
    client = begun(person)
    place = cards.held(person)
    send(client, place, chosen="A", why="At first.")
    page = client.get(url(person, f"{place.pk}/change/"))
    shown = soup(page)
    assert shown.select_one("textarea[name=why]").text.strip() == "At first."
    assert [one["value"] for one in shown.select("input[name=chosen]") if one.has_attr("checked")] == ["A"]
    posted = {"key": key_in(page.content), "chosen": "B", "why": "On second thoughts."}
    client.post(url(person, f"{place.pk}/change/"), posted)
    first, second = Judgement.objects.order_by("submitted_at")
    assert (second.replaces, second.answers["why"][""]["value"]) == (first, "On second thoughts.")
    assert first.answers["why"][""]["value"] == "At first."
    assert Assignment.objects.get(pk=place.pk).state == "done"


def test_a_form_that_comes_once_more_after_a_change_takes_nothing_of_it_back() -> None:
    person = cards.judge(step={"undo": 60})
    client = begun(person)
    place = cards.held(person)
    first = {"key": cards.key(), "chosen": "A", "why": "At first.", "shown": '{"viewport": [375, 740]}'}
    second = {"key": cards.key(), "chosen": "B", "why": "On second thoughts.", "shown": '{"viewport": [740, 375]}'}
    client.post(url(person, f"{place.pk}/"), first)
    client.post(url(person, f"{place.pk}/change/"), second)
    client.post(url(person, f"{place.pk}/"), first)
    page = soup(client.get(url(person, f"{place.pk}/change/")))
    assert page.select_one("textarea[name=why]").text.strip() == "On second thoughts."
    assert Presentation.objects.get(assignment=place).shown == {"viewport": [740, 375]}
    assert Judgement.objects.count() == 2


def test_a_judgement_cannot_be_changed_after_its_time_nor_after_another_one() -> None:
    person = cards.judge(items=3, step={"undo": 60, "per_person": {"max": 3}})
    client = begun(person)
    first = cards.held(person)
    send(client, first)
    second = cards.held(person)
    send(client, second)
    assert client.get(url(person, f"{first.pk}/change/")).status_code == 409
    for place, later in ((first, 1), (second, 61)):
        with pytest.raises(ConflictError):
            change_judgement(
                assignment_id=place.pk,
                participation=person,
                key=cards.key(),
                fields={"chosen": ["B"]},
                timings={},
                now=timezone.now() + timedelta(seconds=later),
            )
    assert Judgement.objects.count() == 2


def test_what_can_still_be_changed_is_not_closed_behind_the_person() -> None:
    person = cards.judge(items=1, step={"undo": 60})
    client = begun(person)
    page = send(client, cards.held(person))
    assert soup(page).select_one(".change-link")["href"].endswith("/change/")
    person.refresh_from_db()
    assert person.state == "active"
    client.post(url(person, "finish/"))
    person.refresh_from_db()
    assert person.state == "completed"


def test_skipping_gives_the_item_to_others_and_the_next_card_comes() -> None:
    person = cards.judge(items=2, step={"skip": {"reasons": {"unclear": "Unclear"}, "max": 1}})
    client = begun(person)
    place = cards.held(person)
    assert soup(client.get(url(person))).select_one("form[data-form=skip]") is not None
    page = client.post(url(person, f"{place.pk}/skip/"), {"reason": "unclear"}, headers={"X-PV-Form": "1"})
    place.refresh_from_db()
    assert (place.state, place.skip_reason) == ("skipped", "unclear")
    assert cards.held(person).item_id != place.item_id
    # the number is used up
    assert soup(page).select_one("form[data-form=skip]") is None


def test_where_nothing_is_left_the_page_says_so_and_the_step_counts_as_done() -> None:
    person = cards.judge(items=1, step={"per_person": {"min": 3, "max": 5}})
    client = begun(person)
    page = send(client, cards.held(person))
    assert "this part counts as done" in soup(page).get_text(" ", strip=True)
    client.post(url(person, "finish/"))
    person.refresh_from_db()
    assert person.state == "completed"


def test_fewer_than_the_least_number_do_not_end_the_step_while_there_are_places() -> None:
    person = cards.judge(items=3, step={"per_person": {"min": 2, "max": 3}})
    client = begun(person)
    send(client, cards.held(person))
    # there is a card left, so it is shown instead of the end
    assert client.post(url(person, "finish/")).headers["Location"] == url(person)
    send(client, cards.held(person))
    assert soup(client.get(url(person))).select_one("form[data-form=enough]") is not None
    client.post(url(person, "finish/"))
    person.refresh_from_db()
    assert (person.state, Assignment.objects.filter(state="leased").count()) == ("completed", 0)


def test_candidates_are_not_in_the_page_until_what_is_asked_first_is_stored() -> None:
    person = cards.judge(protocol={"before": ["goal"]})
    client = begun(person)
    page = client.get(url(person))
    place = cards.held(person)
    texts = [one.text for one in place.item.candidates.all()]
    assert [text for text in texts if text in page.content.decode()] == []
    assert send(client, place).status_code == 409
    refused = client.post(url(person, f"{place.pk}/before/"), {"key": cards.key()})
    assert refused.status_code == 422
    posted = {"key": cards.key(), "goal": "Truth"}
    shown = client.post(url(person, f"{place.pk}/before/"), posted, headers={"X-PV-Form": "1"})
    assert [text for text in texts if text in shown.content.decode()] == texts
    assert soup(shown).select_one(".said-first").text == "Truth"
    stored = Presentation.objects.get(assignment=place).before
    assert stored["goal"][""]["value"] == "Truth"
    changed = client.post(url(person, f"{place.pk}/before/"), posted | {"goal": "Brevity"})
    assert changed.status_code == 409
    assert Presentation.objects.get(assignment=place).before == stored


def test_a_question_can_depend_on_what_was_said_first() -> None:
    brief = {"kind": "long_text", "text": "Why brevity?", "show_if": {"goal": "Brevity"}}
    person = cards.judge(protocol={"before": ["goal"], "about_item": ["brief"]}, questions={"brief": brief})
    client = begun(person)
    place = cards.held(person)
    client.post(url(person, f"{place.pk}/before/"), {"key": cards.key(), "goal": "Truth"})
    assert soup(client.get(url(person))).select_one("[data-question=brief]") is None
    send(client, place)
    assert Judgement.objects.get().answers["brief"][""]["missing"] == "not_shown"


def test_questions_for_other_strata_are_not_asked() -> None:
    person = cards.judge(
        pools=["crowd", "expert"],
        protocol={"only_for": {"why": ["expert"]}, "per_candidate": ["score"]},
        step={"overlap": {"crowd": 1, "expert": 1}},
    )
    Participation.objects.filter(pk=person.pk).update(pool="crowd")
    person.refresh_from_db()
    page = begun(person).get(url(person))
    assert {one["data-question"] for one in soup(page).select("[data-question]")} == {"A-score", "B-score"}


def test_where_a_step_has_no_strata_the_pool_decides_what_is_asked() -> None:
    person = cards.judge(pools=["crowd", "expert"], protocol={"only_for": {"why": ["expert"]}}, step={"overlap": 2})
    Participation.objects.filter(pk=person.pk).update(pool="expert")
    person.refresh_from_db()
    other = participations.participation(person.study)
    asked = [soup(begun(one).get(url(one))).select("[data-question=why]") for one in (person, other)]
    assert [len(questions) for questions in asked] == [1, 0]


def test_guidelines_of_the_items_path_stand_beside_it() -> None:
    guidelines = [
        {"path": ["Writing", "Poems"], "text": "Rhymes count."},
        {"path": ["Maths"], "text": "Check the sum."},
        {"text": "Be fair."},
    ]
    made = studies.study(cards.document(protocol={"guidelines": guidelines}))
    cards.item(made, path=["Writing", "Poems", "Sonnets"])
    cards.open_all(made)
    person = participations.participation(made)
    page = begun(person).get(url(person))
    assert [one.get_text(strip=True) for one in soup(page).select(".guidelines .prose")] == [
        "Be fair.",
        "Rhymes count.",
    ]


def test_a_draft_comes_back_to_whoever_began_and_to_nobody_who_knows_a_panel_id_alone() -> None:
    person = cards.judge()
    begun(person)
    place = cards.held(person)
    Draft.objects.create(
        participation=person, place=f"cards/judge/{place.pk}", fields={"why": ["Mine"]}, saved_at=timezone.now()
    )
    shown = [
        soup(participations.browser(person, trust=trust).get(url(person))).select_one("textarea[name=why]").text.strip()
        for trust in ("full", "panel")
    ]
    assert shown == ["Mine", ""]


def test_a_beat_keeps_the_place_and_says_when_it_is_gone() -> None:
    person = cards.judge()
    client = begun(person)
    place = cards.held(person)
    Assignment.objects.filter(pk=place.pk).update(leased_until=timezone.now() + timedelta(minutes=1))
    assert client.post(url(person, f"{place.pk}/heartbeat/")).status_code == 204
    place.refresh_from_db()
    assert place.leased_until is not None
    assert place.leased_until > timezone.now() + timedelta(minutes=20)
    Assignment.objects.filter(pk=place.pk).update(state="expired")
    assert client.post(url(person, f"{place.pk}/heartbeat/")).status_code == 410


def test_the_next_cards_pictures_are_told_ahead_and_that_card_comes_next() -> None:
    made = studies.study(cards.document(protocol={"arrangement": "grid"}))
    files = [cards.picture(made, name) for name in ("red", "blue", "green", "grey")]
    for pair in (files[:2], files[2:]):
        cards.item(made, [{"image": {"media": str(file.pk), "alt": file.name}} for file in pair])
    cards.open_all(made)
    person = participations.participation(made)
    client = begun(person)
    first = cards.held(person)
    assert soup(client.get(url(person))).select_one("#judge-card")["data-ahead-url"] == url(person, "ahead/")
    told = client.post(url(person, "ahead/")).json()["pictures"]
    page = soup(send(client, first))
    assert sorted(told) == sorted(one["src"] for one in page.select(".answer img"))
    assert {one["alt"] for one in page.select(".answer img")} in ({"red", "blue"}, {"green", "grey"})


def test_what_must_be_played_to_its_end_is_asked_for() -> None:
    made = studies.study(cards.document(protocol={"play_to_end": True}))
    sound = cards.picture(made, "song", kind="audio", content_type="audio/wav")
    cards.item(made, [{"audio": {"media": str(sound.pk)}}, cards.text("A text.")])
    cards.open_all(made)
    person = participations.participation(made)
    client = begun(person)
    place = cards.held(person)
    refused = send(client, place, chosen="")
    field = soup(refused).select_one("[data-played-tick]")["name"]
    assert {link["href"] for link in soup(refused).select("[data-error-summary] a")} == {f"#{field}", "#answer-A"}
    assert client.post(url(person, f"{place.pk}/"), {"key": cards.key(), "chosen": "A"}).status_code == 422
    client.post(url(person, f"{place.pk}/"), {"key": cards.key(), "chosen": "A", field: "on"})
    assert Judgement.objects.count() == 1


def test_an_answer_that_comes_when_the_time_is_over_is_kept_if_the_place_is_free() -> None:
    person = cards.judge()
    client = begun(person)
    place = cards.held(person)
    Assignment.objects.filter(pk=place.pk).update(leased_until=timezone.now() - timedelta(minutes=1))
    assert send(client, place).status_code == 200
    assert Judgement.objects.get().late is True


def test_a_card_takes_the_same_number_of_queries_with_many_items() -> None:
    counts = []
    for items in (1, 30):
        person = cards.judge(items=items, study=f"pairs-{items}")
        client = begun(person)
        client.get(url(person))
        with CaptureQueriesContext(connection) as queries:
            client.get(url(person))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_what_no_database_keeps_is_left_out_of_every_field_and_the_longest_name_of_a_step_fits() -> None:
    long = "s" * 80
    person = cards.judge(items=3, step={"comparisons": long, "skip": {}, "undo": 60})
    client, at = participations.browser(person), f"/p/{person.pk}/judge/{long}/"
    place = cards.held(person)
    odd = {"key": cards.key(), "chosen": "B", "why-touched": "a\0b", "no\0thing": "x\0y"}
    assert client.post(f"{at}{place.pk}/", odd).status_code == 302
    draft = Draft.objects.get()
    assert (draft.place, len(draft.place)) == (f"{long}/judge/{place.pk}", 123)
    assert (draft.fields["nothing"], draft.fields["why-touched"]) == (["xy"], ["ab"])
    draft.full_clean()
    saved = {"place": draft.place, "field:chosen\0": "A\0"}
    assert client.post(f"/p/{person.pk}/draft/", saved).status_code == 200
    draft.refresh_from_db()
    assert draft.fields == {"chosen": ["A"]}
    skip = f"{at}{cards.held(person).pk}/skip/"
    assert client.post(skip, {"reason": "x" * 81}).status_code == 400
    assert client.post(skip, {"reason": "x\0y"}).status_code == 302
    assert Assignment.objects.get(state="skipped").skip_reason == "xy"
