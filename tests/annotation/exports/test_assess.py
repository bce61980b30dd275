"""Language and personal data by libraries, moderation by an endpoint; what was not assessed is null, never false."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from annotation.exports.assess import Moderation, assess_texts, has_personal_data, language_of
from annotation.exports.layouts.prism.names import MODERATION
from annotation.exports.models import TextAssessment
from annotation.exports.rows import text_sha256

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KIND, BAD = "Have a lovely day, all of you.", "I hate every one of you."


class Endpoint:
    """A moderation endpoint on loopback: says what `answer` says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status, self.drop = 200, 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.asked.append(body)
                endpoint.keys.append(self.headers["Authorization"])
                sent = json.dumps({"results": [result(text) for text in body["input"]][endpoint.drop :]}).encode()
                self.send_response(endpoint.status)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


def result(text: str) -> dict[str, Any]:
    flagged = "hate" in text
    return {
        "flagged": flagged,
        "categories": {key: flagged and key == "hate" for key in MODERATION} | {"illicit": False},
        "category_scores": dict.fromkeys(MODERATION, 0.12345) | {"illicit": 0.0},
    }


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    served = Endpoint()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


def stored(text: str) -> TextAssessment:
    return TextAssessment.objects.get(sha256=text_sha256(text))


# -- libraries ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What can you do about the inequality of wealth?", "en"),
        ("¿Qué piensas de la libertad de prensa en tiempos de guerra?", "es"),
        ("Was hältst du von der Gleichheit aller Menschen?", "de"),
    ],
)
def test_the_language_is_told(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Write to someone@example.org.", True),
        ("Call me on +44 20 7946 0958.", True),
        ("My card is 4111 1111 1111 1111.", True),
        ("In 2023, on 24/12/1999, 12345 people came to 10 Downing Street.", False),
        ("What is 10 + 100?", False),
    ],
)
def test_personal_data_is_found_where_it_identifies_somebody(text: str, found: bool) -> None:
    assert has_personal_data(text) is found


# -- moderation --------------------------------------------------------------------------------------------------------
def test_a_text_is_assessed_once_and_kept_by_its_hash(db: None, endpoint: Endpoint) -> None:
    looked_at = [assess_texts([KIND, BAD, KIND, ""], now=NOW, moderation=Moderation(endpoint.url)) for _ in range(2)]

    assert looked_at == [2, 0]
    assert endpoint.asked == [{"input": [KIND, BAD]}]
    kind, bad = stored(KIND), stored(BAD)
    assert (kind.language, kind.has_personal_data, kind.manually_has_personal_data) == ("en", False, None)
    assert (kind.moderation["flagged"], bad.moderation["flagged"]) == (False, True)
    assert bad.moderation["category_scores"] == dict.fromkeys(MODERATION, 0.12)
    assert set(bad.moderation["categories"]) == set(MODERATION)
    assert [key for key, value in bad.moderation["categories"].items() if value] == ["hate"]


def test_the_key_is_sent_and_never_stored(db: None, endpoint: Endpoint) -> None:
    assess_texts([KIND], now=NOW, moderation=Moderation(endpoint.url, "s3cret"))

    assert endpoint.keys == ["Bearer s3cret"]
    assert stored(KIND).assessed_by["moderation"] == endpoint.url


def test_without_an_endpoint_nothing_is_moderated(db: None) -> None:
    assess_texts([BAD], now=NOW, moderation=None)

    assert (stored(BAD).language, stored(BAD).moderation) == ("en", None)
    assert sorted(stored(BAD).assessed_by) == ["language", "personal_data"]


def test_an_endpoint_that_fails_leaves_null_is_not_asked_again_and_the_next_release_tries(
    db: None, endpoint: Endpoint
) -> None:
    endpoint.status = 500
    texts = [f"{BAD} {number}" for number in range(30)]
    assess_texts(texts, now=NOW, moderation=Moderation(endpoint.url))
    failed = [stored(text).moderation for text in texts]
    asked = len(endpoint.asked)
    endpoint.status = 200

    assess_texts(texts, now=NOW, moderation=Moderation(endpoint.url))

    assert (failed, asked) == ([None] * 30, 1)
    assert {stored(text).moderation["flagged"] for text in texts} == {True}


@pytest.mark.parametrize("fault", ["fewer results", "nobody there"])
def test_an_unusable_answer_is_null(db: None, endpoint: Endpoint, fault: str) -> None:
    endpoint.drop = 1
    url = endpoint.url if fault == "fewer results" else "http://127.0.0.1:1/v1"

    assess_texts([KIND, BAD], now=NOW, moderation=Moderation(url))

    assert [stored(text).moderation for text in (KIND, BAD)] == [None, None]


def test_what_a_reader_said_stays(db: None) -> None:
    assess_texts([KIND], now=NOW, moderation=None)
    TextAssessment.objects.update(manually_has_personal_data=True, language=None)

    assess_texts([KIND], now=NOW, moderation=None)

    assert (stored(KIND).manually_has_personal_data, stored(KIND).language) == (True, "en")
