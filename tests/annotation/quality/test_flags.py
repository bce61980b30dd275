"""Flags: raised by checks, decided by researchers."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from structlog.testing import capture_logs

from annotation.accounts.models import AuditEntry, User
from annotation.common.errors import DomainError
from annotation.participation.models import PageVisit, Participation, Withdrawal
from annotation.quality import tasks
from annotation.quality.checks import CHECKS, Person
from annotation.quality.models import Flag
from annotation.quality.queries import people_of
from annotation.quality.services import decide_flag, raise_flags, raise_flags_everywhere
from annotation.studies.document.root import CheckName
from annotation.studies.loading import checked
from annotation.studies.models import Study
from annotation.studies.services import close_study
from tests.factories import participations as people
from tests.factories import prism_rows, studies

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    study = Study.objects.create(slug="small", title="Small", state=Study.State.OPEN)
    document = {
        "study": "small",
        "title": "Small",
        "checks": ["pasted_text"],
        "questions": {"why": {"kind": "long_text", "text": "Why?"}},
        "steps": [{"questionnaire": "survey", "pages": [["why"]]}],
    }
    prism_rows.publish(study, checked(document).canonical())
    return study


def pasted(person: Participation, times: int = 1, page: int = 0) -> PageVisit:
    return PageVisit.objects.create(
        participation=person,
        step="survey",
        page=page,
        details={"pastes": times},
        key=f"k{page}",
        submitted_at=timezone.now(),
    )


def flags() -> list[tuple[str, float | None, str]]:
    return [(flag.subject, flag.value, flag.decision) for flag in Flag.objects.order_by("pk")]


def test_the_checks_that_a_document_may_name_are_those_that_there_are() -> None:
    assert set(get_args(CheckName)) == set(CHECKS)


def test_checking_twice_raises_a_flag_once(study: Study) -> None:
    pasted(people.participation(study))
    assert [raise_flags(study=study, now=timezone.now()) for _ in range(2)] == [1, 1]
    assert flags() == [("survey/0", 1.0, "")]


def test_only_the_checks_of_the_document_run(study: Study) -> None:
    study.current.document["checks"] = []
    prism_rows.publish(study, study.current.document)
    pasted(people.participation(study))
    assert raise_flags(study=study, now=timezone.now()) == 0


def test_a_closed_study_is_checked_for_a_while_and_whenever_staff_say(
    study: Study, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # no worker is there to take the message
    monkeypatch.setattr(tasks.raise_flags_of_study, "delay", tasks.raise_flags_of_study)
    closed = timezone.now()
    pasted(people.participation(study))
    close_study(study=study, actor="ada", now=closed)
    raise_flags_everywhere(now=closed + timedelta(hours=3))
    assert flags() == []
    raise_flags_everywhere(now=closed + timedelta(minutes=10))
    assert flags() == [("survey/0", 1.0, "")]
    Flag.objects.all().delete()
    owner, other = (User.objects.create_user(name, is_staff=True) for name in ("owner", "other"))
    Study.objects.update(owner=owner)
    address = reverse("admin:quality_flag_check", args=[study.pk])
    for user, status, seen in ((other, 404, []), (owner, 302, [("survey/0", 1.0, "")])):
        user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["quality", "studies"]))
        client.force_login(user)
        assert (client.post(address).status_code, flags()) == (status, seen)
    page = client.get(reverse("admin:studies_study_running", args=[study.pk])).content.decode()
    assert f'action="{address}"' in page


def test_a_study_that_fails_keeps_no_other_from_its_checks_and_without_checks_nobody_is_loaded(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    pasted(people.participation(study))
    for slug, checks in (("a-broken", ["pasted_text"]), ("unchecked", [])):
        studies.study(studies.SMALL | {"study": slug, "checks": checks})
    asked = []

    def look(of: Study, *, rehearsal: bool) -> Iterator[Person]:
        asked.append(of.slug)
        if of.slug == "a-broken":
            raise ValueError("somebody's words")
        return people_of(of, rehearsal=rehearsal)

    monkeypatch.setattr("annotation.quality.services.people_of", look)
    with capture_logs() as logged:
        raise_flags_everywhere(now=timezone.now())
    assert (sorted(asked), flags()) == (["a-broken", "small", "small"], [("survey/0", 1.0, "")])
    assert [(one["event"], one["error"], len(one)) for one in logged] == [("checks_of_study_failed", "ValueError", 4)]


def test_who_withdrew_is_not_looked_at(study: Study) -> None:
    gone = people.participation(study)
    pasted(gone)
    Withdrawal.objects.create(participation=gone, at=timezone.now())
    assert raise_flags(study=study, now=timezone.now()) == 0


def test_an_open_flag_goes_when_the_check_sees_nothing_any_more_and_a_decided_one_stays(study: Study) -> None:
    one, other = people.participation(study), people.participation(study)
    visits = [pasted(one), pasted(other)]
    raise_flags(study=study, now=timezone.now())
    decide_flag(
        flag_id=Flag.objects.get(participation=one).pk,
        decision="dismissed",
        reason="A quote.",
        actor="ann",
        now=timezone.now(),
    )
    PageVisit.objects.filter(pk__in=[visit.pk for visit in visits]).erase()
    assert raise_flags(study=study, now=timezone.now()) == 0
    assert flags() == [("survey/0", 1.0, "dismissed")]


def test_a_decision_has_its_reason_and_stands_in_the_audit_log(study: Study) -> None:
    pasted(people.participation(study))
    raise_flags(study=study, now=timezone.now())
    flag = Flag.objects.get()
    decide_flag(flag_id=flag.pk, decision="excluded", reason=" Copied from a site. ", actor="ann", now=timezone.now())
    flag.refresh_from_db()
    assert (flag.decision, flag.reason, flag.decided_by) == ("excluded", "Copied from a site.", "ann")
    entry = AuditEntry.objects.get(action="flag.excluded")
    assert (entry.actor, entry.details["check"]) == ("ann", "pasted_text")
    with pytest.raises(IntegrityError), transaction.atomic():
        Flag.objects.update(reason="")


@pytest.mark.parametrize(
    ("decision", "reason", "field"),
    [("excluded", "  ", "reason"), ("maybe", "Why not", "decision"), ("", "x", "decision")],
)
def test_a_decision_without_a_reason_or_of_no_kind_is_refused(
    study: Study, decision: str, reason: str, field: str
) -> None:
    pasted(people.participation(study))
    raise_flags(study=study, now=timezone.now())
    with pytest.raises(DomainError) as caught:
        decide_flag(flag_id=Flag.objects.get().pk, decision=decision, reason=reason, actor="ann", now=timezone.now())
    assert (caught.value.field, flags()) == (field, [("survey/0", 1.0, "")])


def test_a_researcher_decides_in_the_admin_about_people_of_their_own_study(study: Study, client: Client) -> None:
    pasted(people.participation(study))
    raise_flags(study=study, now=timezone.now())
    address = reverse("admin:quality_flag_change", args=[Flag.objects.get().pk])
    staff: dict[str, Any] = {"is_staff": True}
    owner, other = User.objects.create_user("owner", **staff), User.objects.create_user("other", **staff)
    for user in (owner, other):
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="quality"))
    Study.objects.update(owner=owner)
    client.force_login(other)
    client.post(address, {"decision": "excluded", "reason": "Not mine"})
    assert flags() == [("survey/0", 1.0, "")]
    client.force_login(owner)
    assert client.post(address, {"decision": "excluded", "reason": ""}).status_code == 200
    assert flags() == [("survey/0", 1.0, "")]
    assert client.post(address, {"decision": "confirmed", "reason": "It is a quote."}).status_code == 302
    assert flags() == [("survey/0", 1.0, "confirmed")]
    assert client.post(address, {"decision": "excluded", "reason": "All <b>of</b> it."}).status_code == 302
    page = client.get(address).content.decode()
    assert [part.split("</div>")[0].split(" owner: ")[1] for part in page.split("<div>20")[1:]] == [
        "confirmed. It is a quote.",
        "excluded. All &lt;b&gt;of&lt;/b&gt; it.",
    ]


def test_every_decision_stays_with_its_reason(study: Study) -> None:
    pasted(people.participation(study))
    raise_flags(study=study, now=timezone.now())
    flag, now = Flag.objects.get(), timezone.now()
    for decision, reason in (("excluded", "Copied."), ("dismissed", "A quote.")):
        decide_flag(flag_id=flag.pk, decision=decision, reason=reason, actor="ann", now=now)
    stored = flag.decisions.values_list("decision", "reason", "decided_by", "decided_at")
    assert list(stored) == [("excluded", "Copied.", "ann", now), ("dismissed", "A quote.", "ann", now)]
