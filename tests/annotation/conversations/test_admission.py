"""No more talks are open than the models can carry; whoever waits is told so, keeps their place, and loses nothing."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.common.errors import DocumentError
from annotation.conversations.capacity import fits, load_of
from annotation.conversations.line import line_of
from annotation.conversations.models import Admission, Conversation, Turn
from annotation.conversations.queries import step_of
from annotation.conversations.services.admission import AdmissionNeededError, admit_waiting, ask_admission
from annotation.conversations.services.admission import note_presence as came
from annotation.conversations.services.conversations import abandon_conversation, start_conversation
from annotation.conversations.services.generation import hold_seconds
from annotation.participation.models import Participation
from annotation.studies.document import StudyDocument
from annotation.studies.loading import checked
from annotation.studies.models import Study
from models_serving.catalog.models import FirstToken, ServedEndpoint, ServedModel
from models_serving.catalog.pace import LEAST
from models_serving.catalog.services import own_endpoint
from tests.factories import participations, studies, talks

pytestmark = pytest.mark.django_db
START = timezone.now()
# five models, three answers an opening: each is asked 3/5 of an answer a talk, so ten carry 16 talks, six carry ten
RULES = {"first_token": 2.0, "idle": 10}


def at(seconds: float = 0.0, minutes: float = 0.0) -> datetime:
    return START + timedelta(seconds=seconds, minutes=minutes)


def admitting(most: int = 1, **rules: Any) -> Study:
    """A study whose models take so many requests at the same time; 1: one talk."""
    talks.served()
    for model in ServedModel.objects.all():
        own_endpoint(served_model=model)
    ServedEndpoint.objects.update(most_at_once=most)
    return studies.study(talks.document(step={"admission": RULES | rules}))


def with_one_model(name: str, model: str) -> Study:
    one = {"candidates": {"recipe": "distinct_models", "k": 1}}
    pool = {"pool": [{"name": model}]}
    return studies.study(talks.document(study=name, step={"admission": RULES}, opening=one, models=pool))


def strict(name: str) -> Study:
    """A study whose turns fail with one of their answers."""
    void = {"on_failure": {"retries": 1, "then": "void"}}
    return studies.study(talks.document(study=name, step={"admission": RULES}, models=void))


def people(study: Study, count: int) -> list[Participation]:
    return [participations.participation(study) for _ in range(count)]


def asks(person: Participation, now: datetime) -> str:
    step = step_of(person.version, "chats")
    return ask_admission(participation=person, step=step, kind="free", now=now).state


def begins(person: Participation, now: datetime) -> Conversation:
    return start_conversation(participation=person, step="chats", kind="free", now=now)


def states() -> list[str]:
    return list(Admission.objects.order_by("asked_at", "pk").values_list("state", flat=True))


# -- how many ----------------------------------------------------------------------------------------------------------
def test_as_many_talks_are_admitted_as_the_models_carry_and_the_others_wait() -> None:
    study = admitting(2)
    # 2 / (3/5): three talks
    assert [asks(person, at(n)) for n, person in enumerate(people(study, 5))] == [
        "admitted", "admitted", "admitted", "waiting", "waiting",
    ]  # fmt: skip


def test_open_talks_may_share_the_room_of_a_turn() -> None:
    study = admitting(2, per_turn=2)
    assert [asks(person, at(n)) for n, person in enumerate(people(study, 7))] == ["admitted"] * 6 + ["waiting"]


def test_the_answers_that_a_talk_asks_of_each_model_are_those_of_its_largest_turn_on_average() -> None:
    study = admitting()
    assert study.current is not None
    load = load_of(study.current, step_of(study.current, "chats"), START)
    assert load == dict.fromkeys(ServedModel.objects.values_list("pk", flat=True), pytest.approx(3 / 5))


def test_a_model_that_stands_for_several_entries_is_asked_more() -> None:
    talks.served()
    pool = [{"name": f"e{n}", "serve": "m-one" if n < 3 else "m-two"} for n in range(4)]
    study = studies.study(talks.document(models={"pool": pool}, step={"admission": RULES}))
    assert study.current is not None
    load = load_of(study.current, step_of(study.current, "chats"), START)
    named = {ServedModel.objects.get(pk=pk).name: share for pk, share in load.items()}
    assert named == {"m-one": pytest.approx(9 / 4), "m-two": pytest.approx(3 / 4)}


def test_endpoints_that_were_slow_carry_less_and_that_were_quick_carry_more() -> None:
    study = admitting(8)
    slow = ServedEndpoint.objects.get(served_model__name="m-one")
    for _ in range(LEAST):
        FirstToken.objects.create(endpoint=slow, load=2, seconds=9.0, at=START)
    # one answer at a time: a talk and two thirds
    assert [asks(person, at(n)) for n, person in enumerate(people(study, 2))] == ["admitted", "waiting"]
    FirstToken.objects.all().delete()
    cache.clear()
    assert admit_waiting(now=at(5)) == 1


def test_where_a_turn_needs_each_of_its_models_one_that_does_not_answer_admits_nobody_and_people_are_told_so() -> None:
    admitting(8)
    study = strict("strict")
    ServedEndpoint.objects.filter(served_model__name="m-two").update(health="unhealthy")
    [person] = people(study, 1)
    assert asks(person, at()) == "waiting"
    line = line_of(person, at())
    assert line is not None
    assert (line.answers, line.ahead) == (False, 0)
    ServedEndpoint.objects.update(health="healthy")
    cache.clear()
    came(participation=person, now=at(5))
    assert states() == ["admitted"]


def test_where_another_model_takes_the_place_of_one_that_does_not_answer_the_others_carry_its_share() -> None:
    study = admitting(2)
    ServedEndpoint.objects.filter(served_model__name="m-two").update(health="unhealthy")
    # 2 / (3/4)
    assert [asks(person, at(n)) for n, person in enumerate(people(study, 4))] == ["admitted"] * 2 + ["waiting"] * 2


@pytest.mark.parametrize("gone", [{"health": "unhealthy"}, {"state": "draining"}])
def test_nobody_is_let_in_while_too_few_models_answer_for_a_turn_and_people_are_told_so(gone: dict[str, str]) -> None:
    study = admitting(8)
    three = ServedEndpoint.objects.filter(served_model__name__in=["m-one", "m-two", "m-three"])
    three.update(**gone)
    [person] = people(study, 1)
    assert asks(person, at()) == "waiting"
    line = line_of(person, at())
    assert line is not None
    assert line.answers is False
    three.filter(served_model__name="m-one").update(health="unknown", state="on")
    cache.clear()
    came(participation=person, now=at(5))
    assert states() == ["admitted"]


def test_whoever_waits_while_every_model_is_drained_is_not_told_that_they_are_next() -> None:
    study = admitting(8)
    ServedEndpoint.objects.update(state="draining")
    [person] = people(study, 1)
    assert asks(person, timezone.now()) == "waiting"
    said = participations.browser(person).get(path(person, "wait/")).content.decode()
    assert ("You are next." in said, "The models cannot answer at the moment" in said) == (False, True)


def test_a_model_that_is_drained_is_asked_nothing_and_the_others_carry_its_share() -> None:
    study = admitting(2)
    ServedEndpoint.objects.filter(served_model__name="m-two").update(state="draining")
    # 2 / (3/4)
    assert [asks(person, at(n)) for n, person in enumerate(people(study, 4))] == ["admitted"] * 2 + ["waiting"] * 2


def test_one_talk_always_fits_where_the_models_answer() -> None:
    assert fits({1: 3.0}, {}, {1: 1}) is True
    assert fits({1: 3.0}, {}, {1: 0}) is False
    assert fits({1: 0.6}, {1: 0.4}, {1: 1}) is True
    assert fits({1: 0.6}, {1: 0.5}, {1: 1}) is False
    assert fits({1: 0.1, 2: 0.6}, {2: 0.6}, {1: 1, 2: 1}) is False


def test_two_studies_on_the_same_models_share_what_they_carry() -> None:
    one = admitting(1)
    other = studies.study(talks.document(study="other", step={"admission": RULES}))
    [first], [second] = people(one, 1), people(other, 1)
    assert [asks(first, at()), asks(second, at(1))] == ["admitted", "waiting"]


# -- the line ----------------------------------------------------------------------------------------------------------
def test_whoever_came_first_is_let_in_first_and_the_line_says_how_many_are_before() -> None:
    one, two, three = people(admitting(), 3)
    for second, person in enumerate((one, two, three)):
        asks(person, at(second))
    talk = begins(one, at(4))
    lines = [line_of(person, at(4)) for person in (two, three)]
    assert [(line.ahead, line.minutes, line.admitted) for line in lines if line] == [(0, None, False), (1, None, False)]
    came(participation=three, now=at(5))
    assert states() == ["admitted", "waiting", "waiting"]
    abandon_conversation(conversation_id=talk.pk, participation=one, now=at(6))
    came(participation=three, now=at(7))
    assert states() == ["over", "admitted", "waiting"]


def test_the_line_counts_everybody_before_who_waits_for_one_of_the_same_models_whatever_their_study() -> None:
    one = admitting(1)
    ServedModel.objects.create(name="m-own", backend="scripted")
    sharing = with_one_model("sharing", "m-two")
    apart = with_one_model("apart", "m-own")
    in_line = [people(made, 1)[0] for made in (one, sharing, apart, apart, one)]
    ServedEndpoint.objects.filter(served_model__name="m-own").update(most_at_once=1)
    for second, person in enumerate(in_line):
        asks(person, at(second))
    lines = [line_of(person, at(9)) for person in in_line]
    assert [line.ahead for line in lines if line] == [0, 0, 0, 0, 1]


def test_letting_people_in_asks_no_more_of_the_database_the_more_there_are(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.conversations.capacity.REMEMBERED_S", 600)
    everybody = people(admitting(), 30)
    asks(everybody[0], at())
    asks(everybody[1], at(1))
    # a savepoint (two), the models' lock, room taken back (two), who is there, the pool's models
    with django_assert_num_queries(7):
        admit_waiting(now=at(2))
    for second, person in enumerate(everybody[2:]):
        asks(person, at(3 + second))
    with django_assert_num_queries(7):
        admit_waiting(now=at(40))


def test_whoever_has_gone_is_passed_over_and_keeps_their_place() -> None:
    one, two, three = people(admitting(), 3)
    for second, person in enumerate((one, two, three)):
        asks(person, at(second))
    talk = begins(one, at(4))
    came(participation=three, now=at(90))
    abandon_conversation(conversation_id=talk.pk, participation=one, now=at(91))
    came(participation=three, now=at(92))
    assert states() == ["over", "waiting", "admitted"]
    came(participation=two, now=at(93))
    line = line_of(two, at(93))
    assert line is not None
    assert (line.ahead, line.admitted) == (0, False)


def test_whoever_does_not_begin_in_time_waits_again_in_front_and_holds_no_room() -> None:
    one, two = people(admitting(), 2)
    assert [asks(one, at()), asks(two, at(1))] == ["admitted", "waiting"]
    came(participation=one, now=at(60))
    came(participation=two, now=at(121))
    assert states() == ["waiting", "admitted"]
    with pytest.raises(AdmissionNeededError):
        begins(one, at(122))
    line = line_of(one, at(122))
    assert line is not None
    assert line.ahead == 0


def test_a_talk_without_a_sign_of_life_gives_its_room_away_and_comes_back_in_front() -> None:
    one, two, three = people(admitting(), 3)
    for second, person in enumerate((one, two, three)):
        asks(person, at(second))
    begins(one, at(3))
    came(participation=one, now=at(minutes=9))
    came(participation=two, now=at(minutes=12))
    assert states() == ["admitted", "waiting", "waiting"]
    came(participation=two, now=at(minutes=20))
    assert states() == ["waiting", "admitted", "waiting"]
    later = begins(two, at(minutes=20.5))
    came(participation=three, now=at(minutes=20.6))
    came(participation=one, now=at(minutes=20.7))
    abandon_conversation(conversation_id=later.pk, participation=two, now=at(minutes=21))
    came(participation=three, now=at(minutes=21.1))
    assert states() == ["admitted", "over", "waiting"]


def test_how_long_it_takes_is_said_only_where_enough_people_were_let_in_lately() -> None:
    everybody = people(admitting(), 5)
    for second, person in enumerate(everybody):
        asks(person, at(second))
    for number in range(3):
        talk = begins(everybody[number], at(10 * number + 5))
        abandon_conversation(conversation_id=talk.pk, participation=everybody[number], now=at(10 * number + 6))
        came(participation=everybody[number + 1], now=at(10 * number + 7))
    line = line_of(everybody[4], at(40))
    assert line is not None
    # four were let in within fifteen minutes, nobody is before this person
    assert (line.ahead, line.minutes) == (0, 4)


def test_a_step_without_admission_keeps_nobody_waiting() -> None:
    talks.served()
    begins(talks.talker(), at())
    assert Admission.objects.count() == 0


# -- the document ------------------------------------------------------------------------------------------------------
def test_the_target_is_checked_with_its_path() -> None:
    def problems(**rules: Any) -> list[tuple[str, str]]:
        with pytest.raises(DocumentError) as caught:
            checked(talks.document(step={"admission": rules}))
        return caught.value.problems

    assert problems(first_token=31) == [
        ("steps.0.admission.first_token", "31 is not allowed; it must not be above models.deadline, 30 seconds")
    ]
    assert [path for path, _ in problems(first_token=0)] == ["steps.0.admission.first_token"]
    assert [path for path, _ in problems(idle=5)] == ["steps.0.admission.first_token"]
    parsed = StudyDocument.model_validate(talks.document(step={"admission": {"first_token": 3}}))
    assert parsed.canonical()["steps"][0]["admission"] == {"first_token": 3.0, "per_turn": 1.0, "idle": 15.0}


# -- the pages ---------------------------------------------------------------------------------------------------------
def path(person: Participation, page: str = "") -> str:
    return f"/p/{person.pk}/talk/chats/{page}"


def test_whoever_waits_is_told_so_lets_the_page_ask_and_begins_when_it_is_their_turn() -> None:
    one, two = people(admitting(), 2)
    browser = participations.browser(two)
    asks(one, timezone.now())
    talk = begins(one, timezone.now())
    shown = browser.post(path(two, "start/"), {"type": "values"}, follow=True)
    assert (shown.templates[0].name, Conversation.objects.count()) == ("conversations/waiting.html", 1)
    asked = browser.get(path(two, "wait/")).content.decode()
    [again] = re.findall('hx-get="([^"]+)" hx-trigger="every', asked)
    # what is shown already is not said again
    assert ("You are next." in asked, browser.get(again).status_code) == (True, 204)
    abandon_conversation(conversation_id=talk.pk, participation=one, now=timezone.now())
    asked = browser.get(again).content.decode()
    assert ("There is room for you now." in asked, "hx-get" in asked, 'id="begin"' in asked) == (True, False, True)
    page = browser.get(path(two)).content.decode()
    assert ('<input type="hidden" name="type" value="values">' in page, 'data-form="type"' in page) == (True, True)
    browser.post(path(two, "start/"), {"type": "values"})
    made = Conversation.objects.get(participation=two)
    assert (made.type, made.admission.state) == ("values", "admitted")


def test_a_reload_or_a_second_tab_keeps_one_place_in_line() -> None:
    one, two = people(admitting(), 2)
    asks(one, timezone.now())
    for tab in (participations.browser(two), participations.browser(two)):
        tab.post(path(two, "start/"), {"type": "free"})
        tab.get(path(two))
    assert Admission.objects.filter(participation=two).count() == 1


def test_a_message_whose_room_was_given_away_stays_as_it_was_typed_and_goes_out_later() -> None:
    one, two = people(admitting(), 2)
    asks(one, timezone.now())
    browser: Client = participations.browser(one)
    browser.post(path(one, "start/"), {"type": "free"})
    gone = timezone.now() - timedelta(minutes=2)
    Admission.objects.filter(participation=one).update(until=gone, seen_at=gone)
    Participation.objects.filter(pk=one.pk).update(last_seen_at=gone - timedelta(minutes=10))
    asks(two, timezone.now())
    other = begins(two, timezone.now())
    key = "0123456789abcdef0123456789abcdef"
    form = {"key": key, "message": "Something dear to me", "turn": ""}
    kept = browser.post(path(one, "message/"), form)
    assert (kept.status_code, Turn.objects.count()) == (422, 0)
    page = kept.content.decode()
    assert ("Something dear to me</textarea>" in page, f'value="{key}"' in page, "You are next." in page) == (True,) * 3
    abandon_conversation(conversation_id=other.pk, participation=two, now=timezone.now())
    browser.post(path(one, "message/"), form)
    assert Turn.objects.get().user_text == "Something dear to me"


def test_a_type_that_cannot_be_had_takes_no_place_in_line() -> None:
    [person] = people(admitting(), 1)
    refused = participations.browser(person).post(path(person, "start/"), {"type": "nonsense"})
    assert (refused.status_code, Admission.objects.count()) == (422, 0)


def test_opening_the_page_takes_no_place_in_line() -> None:
    [person] = people(admitting(), 1)
    browser = participations.browser(person)
    assert [browser.get(path(person)).status_code, browser.get(path(person, "wait/")).status_code] == [200, 200]
    assert Admission.objects.count() == 0


def test_models_stay_in_memory_for_as_long_as_a_talk_keeps_its_room() -> None:
    talk = Conversation(version=admitting(idle=40).current, step="chats")
    assert hold_seconds(talk) == 40 * 60
