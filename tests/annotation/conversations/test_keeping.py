"""The leases of a process' attempts are kept together."""

import threading
import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from annotation.conversations.services import keeping
from annotation.conversations.services.keeping import LEASE, LOOK_EVERY, RENEW_EVERY, Keeper
from annotation.items.models import Generation
from annotation.items.services.generations import claim_generation
from tests.factories import talks

pytestmark = pytest.mark.django_db


def under_way() -> list[Generation]:
    """Two attempts that were claimed a while ago."""
    talks.served()
    then = timezone.now() - timedelta(seconds=5)
    turn = talks.said(talks.conversation(talks.talker()))
    claimed = [
        claim_generation(candidate_id=one.pk, lease_until=then + LEASE, now=then) for one in turn.item.candidates.all()
    ]
    return [one for one in claimed if one is not None][:2]


def test_one_look_serves_all_and_renews_only_when_it_is_time(django_assert_num_queries: Any) -> None:
    time, now = [0.0], timezone.now()
    keeper, (one, other) = Keeper(lambda: time[0]), under_way()
    before = one.lease_until
    with keeper.holding(one), keeper.holding(other):
        with django_assert_num_queries(0):
            assert keeper.keeps(one, now)
        time[0] = LOOK_EVERY
        with django_assert_num_queries(1):
            assert keeper.keeps(one, now)
            assert keeper.keeps(other, now)
        one.refresh_from_db()
        assert one.lease_until == before
        time[0] = RENEW_EVERY
        assert keeper.keeps(other, now)
    leases = [Generation.objects.get(pk=each.pk).lease_until for each in (one, other)]
    assert leases == [now + LEASE] * 2


def test_an_attempt_that_was_taken_over_is_told_so_and_the_others_go_on() -> None:
    time, now = [0.0], timezone.now()
    keeper, (one, other) = Keeper(lambda: time[0]), under_way()
    with keeper.holding(one), keeper.holding(other):
        Generation.objects.filter(pk=one.pk).update(state=Generation.State.LOST, lease_until=None)
        time[0] = RENEW_EVERY
        # whoever looks, both are told
        assert keeper.keeps(other, now)
        assert not keeper.keeps(one, now)
    one.refresh_from_db()
    assert (one.state, one.lease_until) == (Generation.State.LOST, None)


def test_nobody_begins_or_ends_later_because_a_look_waits_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    time, now = [LOOK_EVERY], timezone.now()
    keeper, (one, other) = Keeper(lambda: time[0]), under_way()
    time[0] += LOOK_EVERY
    asked, answers, ended = threading.Event(), threading.Event(), threading.Event()

    def busy(held: Collection[uuid.UUID], **_: Any) -> set[uuid.UUID]:
        asked.set()
        answers.wait(60)
        return set(held)

    def work() -> None:
        with keeper.holding(other):
            assert keeper.keeps(other, now)
        ended.set()

    monkeypatch.setattr(keeping, "still_running", busy)
    with keeper.holding(one):
        threads = [threading.Thread(target=job) for job in (lambda: keeper.keeps(one, now), work)]
        try:
            threads[0].start()
            assert asked.wait(20)
            threads[1].start()
            assert ended.wait(20)
        finally:
            answers.set()
            for thread in threads:
                thread.join(20)


def test_answers_go_on_while_the_database_is_away_and_their_leases_are_kept_as_soon_as_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time, now = [0.0], timezone.now()
    keeper, (one, _) = Keeper(lambda: time[0]), under_way()

    def away(held: Collection[uuid.UUID], **_: Any) -> set[uuid.UUID]:
        raise OperationalError("the database is away")

    with keeper.holding(one):
        time[0] = RENEW_EVERY
        with monkeypatch.context() as patched:
            patched.setattr(keeping, "still_running", away)
            assert keeper.keeps(one, now)
        time[0] += LOOK_EVERY
        assert keeper.keeps(one, now)
    one.refresh_from_db()
    assert one.lease_until == now + LEASE


def test_a_lease_counts_from_when_it_is_written_however_late_the_database_was_reached() -> None:
    now, one = timezone.now(), under_way()[0]
    # when the keeper was made, when the look began, and when it had a connection
    moments = iter([0.0, RENEW_EVERY, RENEW_EVERY + 20])
    keeper = Keeper(lambda: next(moments))
    with keeper.holding(one):
        assert keeper.keeps(one, now)
    one.refresh_from_db()
    assert one.lease_until == now + timedelta(seconds=20) + LEASE
