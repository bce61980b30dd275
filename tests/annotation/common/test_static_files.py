import pytest
from django.contrib.staticfiles import finders
from django.test import AsyncClient, Client

PATH = "/static/css/base.css"


def stored() -> bytes:
    with open(str(finders.find("css/base.css")), "rb") as file:  # noqa: PTH123 - the finder gives a text
        return file.read()


def test_a_static_file_is_answered_whole_with_its_type() -> None:
    answer = Client().get(PATH)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, stored(), 'text/css; charset="utf-8"')
    assert (answer.streaming, answer["Content-Length"]) == (False, str(len(stored())))


async def test_a_static_file_is_the_same_in_the_event_loop() -> None:
    answer = await AsyncClient().get(PATH)
    assert (answer.status_code, answer.content, answer.streaming) == (200, stored(), False)


def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    first = Client().get(PATH)
    again = Client().get(PATH, headers={"If-Modified-Since": first["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_the_asked_part_is_sent() -> None:
    answer = Client().get(PATH, headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.content) == (206, stored()[:10])


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/static/css/none.css", "/static/../manage.py", "/static/%2e%2e/manage.py"])
def test_what_is_no_static_file_is_not_found(path: str) -> None:
    assert Client().get(path).status_code == 404
