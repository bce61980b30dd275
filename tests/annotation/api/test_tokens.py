"""Tokens open what their owner has, as far as their scopes go, for as long as they are good."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.accounts.models import AuditEntry
from annotation.api.models import ApiToken
from annotation.api.rules import MAY
from annotation.api.services.tokens import create_token, revoke_token
from annotation.api.urls import urlpatterns
from annotation.api.views.base import Endpoint
from annotation.common.errors import DomainError, NotFoundError
from tests.factories.staff import admin_browser
from tests.factories.studies import small, study
from tests.factories.tokens import Script, researcher, script, token

pytestmark = pytest.mark.django_db
PUBLIC = {"schema", "docs", "nothing"}


def status(secret: str, path: str = "studies/") -> int:
    return int(Script(secret).ask(path).status_code)


# -- who comes in ------------------------------------------------------------------------------------------------------
def test_a_token_is_kept_as_its_hash_alone() -> None:
    made, secret = token(researcher(), "read")
    stored = ApiToken.objects.filter(pk=made.pk).values_list(flat=False).get()
    assert secret.startswith(f"{made.prefix}_")
    assert [value for value in stored if secret[len(made.prefix) :] in str(value)] == []


def test_without_a_good_token_nothing_opens() -> None:
    owner = researcher()
    expired = create_token(
        name="old", owner=owner, scopes=["read"], now=timezone.now(), expires_at=timezone.now() - timedelta(seconds=1)
    )[1]
    revoked, closed = token(owner, "read")
    revoke_token(token=revoked, actor="test", now=timezone.now())
    good = token(owner, "read")[1]
    assert [status(one) for one in ("", "pv_nothing", f"{good}x", expired, closed, good)] == [401] * 5 + [200]


def test_a_refusal_is_a_problem_that_says_how_to_come_in() -> None:
    response = Script().ask("studies/")
    assert (response["Content-Type"], response["WWW-Authenticate"]) == ("application/problem+json", "Bearer")
    assert response.json() == {
        "type": "about:blank",
        "title": "Show a token",
        "status": 401,
        "detail": "Authentication credentials were not provided.",
        "errors": [],
    }


def test_a_signed_in_session_is_no_token() -> None:
    assert admin_browser().get("/api/v1/studies/").status_code == 401


def test_a_token_dies_with_its_owners_account() -> None:
    owner = researcher()
    secret = token(owner, "read")[1]
    for change in ({"is_active": False}, {"is_active": True, "is_staff": False}):
        type(owner).objects.filter(pk=owner.pk).update(**change)
        assert status(secret) == 401


def test_use_is_noted_once_a_minute() -> None:
    made, secret = token(researcher(), "read")
    status(secret)
    first = ApiToken.objects.get(pk=made.pk).last_used_at
    status(secret)
    assert first is not None
    assert ApiToken.objects.get(pk=made.pk).last_used_at == first
    ApiToken.objects.filter(pk=made.pk).update(last_used_at=first - timedelta(minutes=2))
    status(secret)
    assert ApiToken.objects.get(pk=made.pk).last_used_at > first


def test_a_busy_token_waits_and_another_does_not(settings) -> None:  # type: ignore[no-untyped-def]  # pytest's own
    settings.API_REQUESTS_PER_MINUTE = 3
    owner = researcher()
    busy, calm = script(owner, "read"), script(owner, "read")
    answers = [busy.ask("token/") for _ in range(12)]
    assert 429 in [one.status_code for one in answers]
    refused = next(one for one in answers if one.status_code == 429)
    assert 1 <= int(refused["Retry-After"]) <= 61
    assert calm.ask("token/").status_code == 200


# -- what it may -------------------------------------------------------------------------------------------------------
def test_the_table_names_every_address_and_no_other() -> None:
    assert sorted(MAY) == sorted({one.name for one in urlpatterns} - PUBLIC)


def test_the_table_names_every_method_and_no_other() -> None:
    methods = {
        one.name: {
            name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(one.callback.cls, name)
        }
        for one in urlpatterns
        if one.name not in PUBLIC and issubclass(one.callback.cls, Endpoint)
    }
    assert {name: set(table) for name, table in MAY.items()} == methods


def test_what_the_table_does_not_give_a_scope_is_refused() -> None:
    made = study()
    owner = researcher(made)
    found = {
        scope: {
            path: script(owner, scope, study=made).ask(path).status_code
            for path in ("token/", "studies/", "item-sets/", "judgements/", "exports/")
        }
        for scope in ApiToken.Scope.values
    }
    assert found == {
        "read": {"token/": 200, "studies/": 200, "item-sets/": 200, "judgements/": 200, "exports/": 403},
        "items": {"token/": 200, "studies/": 200, "item-sets/": 200, "judgements/": 403, "exports/": 403},
        "judge": {"token/": 200, "studies/": 403, "item-sets/": 403, "judgements/": 403, "exports/": 403},
        "export": {"token/": 200, "studies/": 200, "item-sets/": 403, "judgements/": 403, "exports/": 200},
    }


def test_a_token_opens_its_owners_studies_or_the_one_that_it_is_bound_to() -> None:
    one, two, foreign = (study(small(study=name)) for name in ("one", "two", "foreign"))
    owner = researcher(one, two)
    researcher(foreign)
    wide, bound = script(owner, "read"), script(owner, "read", study=one)
    seen = [[row["slug"] for row in who.ask("studies/").json()["results"]] for who in (wide, bound)]
    assert seen == [["one", "two"], ["one"]]
    assert [who.ask("studies/two/").status_code for who in (wide, bound)] == [200, 404]
    assert wide.ask("studies/foreign/").status_code == 404


def test_a_study_that_changes_hands_closes_to_the_tokens_of_its_former_owner() -> None:
    made = study()
    bound = script(researcher(made), "read", study=made)
    assert bound.ask("studies/small/").status_code == 200
    researcher(made)
    assert bound.ask("studies/small/").status_code == 404


@pytest.mark.parametrize(
    ("scopes", "bound", "judging", "field"),
    [
        ((), True, {}, "scopes"),
        (("write",), True, {}, "scopes"),
        (("judge", "read"), True, {}, "scopes"),
        (("judge",), False, {}, "study"),
        (("judge",), True, {"pool": "ai"}, "pool"),
        (("judge",), True, {"language": "fr"}, "language"),
        (("read",), True, {"rehearsal": True}, "scopes"),
    ],
)
def test_odd_tokens_are_refused(scopes, bound, judging, field) -> None:  # type: ignore[no-untyped-def]  # parameters
    made = study()
    with pytest.raises(DomainError) as refused:
        token(researcher(made), *scopes, study=made if bound else None, **judging)
    assert refused.value.field == field
    assert ApiToken.objects.count() == 0


def test_nobody_makes_a_token_of_anothers_study() -> None:
    with pytest.raises(NotFoundError):
        token(researcher(), "read", study=study())


# -- the admin ---------------------------------------------------------------------------------------------------------
def test_a_token_is_made_in_the_admin_and_shown_once() -> None:
    browser, made = admin_browser(), study()
    sent = {"name": "nightly", "study": made.pk, "scopes": ["read", "export"], "pool": "", "language": ""}
    page = browser.post("/admin/api/apitoken/add/", sent | {"expires_at_0": "", "expires_at_1": ""})
    secret = page.content.decode().split("<code data-token>")[1].split("</code>")[0]
    assert (page.status_code, "no-store" in page["Cache-Control"], status(secret)) == (200, True, 200)
    row = ApiToken.objects.get()
    again = browser.get(f"/admin/api/apitoken/{row.pk}/change/").content.decode()
    assert (secret[len(row.prefix) :] in again, row.prefix in again) == (False, True)
    assert AuditEntry.objects.filter(action="token.create", subject=row.prefix).count() == 1


def test_the_admin_says_what_is_wrong_with_a_judge() -> None:
    browser, made = admin_browser(), study()
    sent = {"name": "judge", "study": made.pk, "scopes": ["read", "judge"], "expires_at_0": "", "expires_at_1": ""}
    page = browser.post("/admin/api/apitoken/add/", sent).content.decode()
    assert "judge stands alone" in page
    assert ApiToken.objects.count() == 0


def test_a_revoked_token_is_closed_for_good() -> None:
    made, secret = token(researcher(), "read")
    sent = {"action": "revoke", "_selected_action": [str(made.pk)]}
    browser = admin_browser()
    for _ in range(2):
        browser.post("/admin/api/apitoken/", sent)
    assert status(secret) == 401
    assert AuditEntry.objects.filter(action="token.revoke").count() == 1
