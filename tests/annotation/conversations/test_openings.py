"""Shared first messages: who begins with which, how often, and what is sent."""

from collections import Counter
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.common.errors import DocumentError
from annotation.conversations.models import Conversation
from annotation.conversations.services.conversations import abandon_conversation, finish_conversation
from annotation.participation.models import Participation
from annotation.participation.rehearsal.pages import read_page
from annotation.studies.loading import checked
from annotation.studies.models import Study
from tests.factories import participations, talks
from tests.factories.openings import WORDS, document, with_openings


@pytest.fixture
def study(db: None) -> Study:
    talks.served()
    return with_openings()


def begun(study: Study, **changes: Any) -> Conversation:
    return talks.conversation(participations.participation(study, **changes), kind="")


def words(talk: Conversation) -> str:
    return str(talk.opening.context["messages"][0]["content"]) if talk.opening else ""


def test_the_least_used_message_comes_next_and_none_is_begun_more_often_than_the_overlap(study: Study) -> None:
    drawn = [words(begun(study)) for _ in range(8)]
    assert drawn[:3] == WORDS
    assert Counter(drawn) == dict.fromkeys(WORDS, 2) | {"": 2}


def test_the_message_is_sent_as_it_is_whatever_was_posted_and_later_ones_are_free(study: Study) -> None:
    talk = begun(study)
    first = talks.answered(talk, "Something else")
    talks.judged(first)
    second = talks.answered(talk, "And now I")
    assert (first.user_text, second.user_text) == (WORDS[0], "And now I")
    assert first.item.context["messages"] == [{"role": "user", "content": WORDS[0]}]


def test_a_person_never_has_the_same_message_twice_and_a_talk_that_was_left_gives_it_to_others(study: Study) -> None:
    person = talks.talker(study)
    left = talks.conversation(person, kind="")
    abandon_conversation(conversation_id=left.pk, participation=person, now=timezone.now())
    assert (words(left), words(talks.conversation(person, kind=""))) == (WORDS[0], WORDS[1])
    assert words(begun(study)) == WORDS[0]


def test_bots_use_up_nothing_of_what_is_there_for_people(study: Study) -> None:
    assert [words(begun(study, rehearsal=True)) for _ in range(2)] == WORDS[:2]
    assert words(begun(study)) == WORDS[0]


@pytest.mark.django_db
def test_only_the_share_of_talks_begins_with_a_shared_message() -> None:
    talks.served()
    study = with_openings(WORDS * 20, share=0.5)
    shared = sum(bool(begun(study).opening) for _ in range(40))
    # 40 draws of one half lie between 8 and 32 but once in ten thousand, and these seeds are fixed
    assert 8 <= shared <= 32


def test_the_page_shows_the_message_and_the_form_sends_it(study: Study) -> None:
    person = talks.talker(study)
    talk = talks.conversation(person, kind="")
    client = participations.browser(person)
    url = reverse("conversations:talk", args=[person.pk, "chats"])
    page = read_page(url, client.get(url).content.decode())
    form = page.forms["message"]
    assert (form.values["message"], form.texts) == ([WORDS[0]], [])
    client.post(form.action, form.values)
    assert talk.turns.get().user_text == WORDS[0]


def test_talks_with_a_shared_message_are_finished_like_any_other(study: Study) -> None:
    person = talks.talker(study)
    for _ in range(2):
        talk = talks.conversation(person, kind="")
        for text in ("", "More"):
            talks.judged(talks.answered(talk, text))
        finish_conversation(conversation_id=talk.pk, participation=person, now=timezone.now())
    person = Participation.objects.get(pk=person.pk)
    assert (person.state, Conversation.objects.filter(state="finished").count()) == ("completed", 2)


def test_a_set_that_the_document_does_not_have_is_refused() -> None:
    with pytest.raises(DocumentError) as caught:
        checked(document(items="others"))
    assert caught.value.text == "steps.0.shared_openings.items: others is no item set; allowed are openings"
