"""What every request passes."""

from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.test import AsyncClient, Client

from tests.factories.participations import browser, participation
from tests.factories.studies import study

STRICT = {
    "default-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
}


def policy(client: Client, path: str) -> set[str]:
    return {part.strip() for part in client.get(path).headers["Content-Security-Policy"].split(";")}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/s/small/", "/p/{pk}/consent/c1/", "/p/{pk}/my-data/", "/p/{pk}/leave/", "/x/"])
def test_participants_pages_allow_no_inline_script_or_style(path: str) -> None:
    person = participation(study())
    assert policy(browser(person), path.format(pk=person.pk)) == STRICT


@pytest.mark.django_db
def test_the_admins_pages_alone_have_the_policy_that_their_widgets_need() -> None:
    directives = {part.split(" ")[0]: part.split(" ")[1:] for part in policy(Client(), "/admin/login/")}
    assert directives["style-src"] == settings.ADMIN_CONTENT_SECURITY_POLICY["style-src"]
    assert "'unsafe-eval'" in directives["script-src"]


@pytest.mark.parametrize(("sent", "told"), [("X-PV-Form", "X-PV-Location"), ("HX-Request", "HX-Redirect")])
@pytest.mark.django_db
def test_what_a_script_sent_is_told_where_to_go(sent: str, told: str) -> None:
    person = participation(study())
    answer = browser(person).post(f"/p/{person.pk}/decline/", headers={sent: "1"})
    assert (answer.status_code, answer.headers[told]) == (204, f"/p/{person.pk}/end/")


@pytest.mark.django_db
def test_a_stale_form_token_is_told_apart_and_a_fresh_one_is_accepted() -> None:
    person = participation(study())
    client = browser(person, enforce_csrf_checks=True)
    address = f"/p/{person.pk}/decline/"
    refused = client.post(address, {"csrfmiddlewaretoken": "stale"})
    fresh = client.get("/csrf/").json()["token"]
    accepted = client.post(address, {"csrfmiddlewaretoken": fresh})
    assert (refused.status_code, refused.headers["X-PV-CSRF"], accepted.status_code) == (403, "failed", 302)
    assert "What you typed is kept" in refused.content.decode()


@pytest.mark.django_db
def test_an_error_page_gives_the_number_of_the_request() -> None:
    response = Client().get("/s/unknown/")
    assert response.status_code == 404
    assert f"<code>{response.headers['X-Request-ID']}</code>" in response.content.decode()


@pytest.mark.django_db
def test_the_bare_address_leads_researchers_to_the_admin() -> None:
    html = Client().get("/").content.decode()
    assert 'href="/admin/"' in html


@pytest.mark.django_db
async def test_all_middleware_of_a_request_goes_through_a_thread_once(monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[str] = []
    call = SyncToAsync.__call__

    async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        went.append(self.func.__qualname__)
        return await call(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    answer = await AsyncClient().get("/healthz")
    whole = "convert_exception_to_response.<locals>.inner"
    assert answer.status_code == 200
    assert went[1:-1] == [whole, "CsrfViewMiddleware.process_view", "healthz"]
