"""The leases of a process' attempts are kept together."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

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
