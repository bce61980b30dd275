"""Images, sounds and films are sent to people who have a place with them, and to nobody else."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.items.importing.media import size_of, type_of
from annotation.items.models import Item, MediaFile
from annotation.participation.models import Participation
from tests.factories.item_files import empty_set, imported, png, zipped
from tests.factories.participations import browser, participation
from tests.factories.staff import admin_browser

pytestmark = pytest.mark.django_db
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(range(200))


@pytest.fixture
def media(tmp_path: Path, settings: Any) -> dict[str, MediaFile]:
    """A set with an image and a sound."""
    settings.IMPORTS_DIR, settings.MEDIA_ROOT = tmp_path / "imports", tmp_path / "media"
    rows = b'{"id": "1", "prompt": "Which?", "image_a": "a.png", "image_b": "b.png", "audio": "c.wav"}\n'
    files = {"rows.jsonl": rows, "a.png": png(), "b.png": png(3, 3), "c.wav": WAV}
    job = imported(zipped(tmp_path / "set.zip", files), empty_set("images"))
    assert job.report["wrong"] == 0
    return {one.name: one for one in MediaFile.objects.all()}


def placed(state: str = "leased") -> Participation:
    item = Item.objects.get()
    assert item.item_set is not None
    study = item.item_set.study
    assert study is not None
    person = participation(study)
    Assignment.objects.create(
        study=study, version=study.current, item=item, protocol="p", participation=person, state=state,
        created_at=timezone.now(),
    )  # fmt: skip
    return person


def address(person: Participation, media: MediaFile) -> str:
    return f"/p/{person.pk}/media/{media.pk}/"


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.mark.parametrize("state", ["leased", "done", "skipped"])
def test_who_has_or_had_a_place_gets_the_file_for_good(media: dict[str, MediaFile], state: str) -> None:
    person = placed(state)
    response = browser(person).get(address(person, media["a.png"]))
    assert (response.status_code, body(response)) == (200, png())
    assert {name: response[name] for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options")} == {
        "Content-Type": "image/png",
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }


def test_who_has_no_place_with_the_set_or_not_this_participation_finds_nothing(media: dict[str, MediaFile]) -> None:
    person = placed()
    other = participation(person.study)
    place = address(person, media["a.png"])
    found = {
        "nobody": browser().get(place).status_code,
        "other": browser(other).get(place).status_code,
        "other at their own address": browser(other).get(address(other, media["a.png"])).status_code,
        "staff": admin_browser().get(place).status_code,
    }
    assert found == dict.fromkeys(found, 404)


@pytest.mark.parametrize(
    ("asked", "status", "part", "said"),
    [
        ("bytes=0-9", 206, slice(0, 10), f"bytes 0-9/{len(WAV)}"),
        ("bytes=200-", 206, slice(200, None), f"bytes 200-{len(WAV) - 1}/{len(WAV)}"),
        ("bytes=-5", 206, slice(-5, None), f"bytes {len(WAV) - 5}-{len(WAV) - 1}/{len(WAV)}"),
        ("bytes=10-9999", 206, slice(10, None), f"bytes 10-{len(WAV) - 1}/{len(WAV)}"),
        ("bytes=9999-", 416, slice(0, 0), f"bytes */{len(WAV)}"),
        ("bytes=0-1,5-6", 200, slice(None), None),
        ("lines=1", 200, slice(None), None),
    ],
)
def test_a_player_gets_the_part_that_it_asks_for(
    media: dict[str, MediaFile], asked: str, status: int, part: slice, said: str | None
) -> None:
    person = placed()
    response = browser(person).get(address(person, media["c.wav"]), headers={"range": asked})
    found = (response.status_code, body(response), response.get("Content-Range"))
    assert found == (status, WAV[part], said)


def test_a_browser_that_has_the_file_is_told_so(media: dict[str, MediaFile]) -> None:
    person = placed()
    one = browser(person)
    tag = one.get(address(person, media["a.png"]))["ETag"]
    again = one.get(address(person, media["a.png"]), headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_event_loop_streams_the_same_bytes(async_client: Any, media: dict[str, MediaFile]) -> None:
    from asgiref.sync import sync_to_async  # noqa: PLC0415 - only here
    from django.test import AsyncRequestFactory  # noqa: PLC0415 - only here

    from annotation.items.serving import media_response  # noqa: PLC0415 - only here

    request = AsyncRequestFactory().get("/", headers={"range": "bytes=5-99"})
    response = await sync_to_async(media_response)(request, media["c.wav"])
    assert b"".join([piece async for piece in response]) == WAV[5:100]  # type: ignore[attr-defined]  # it streams


def test_a_file_that_was_lost_is_not_found(media: dict[str, MediaFile], settings: Any) -> None:
    person = placed()
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "elsewhere"
    assert browser(person).get(address(person, media["a.png"])).status_code == 404


# -- kinds -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("head", "wanted", "found"),
    [
        (png(), "image", ("image", "image/png")),
        (b"\xff\xd8\xff\xe0", "image", ("image", "image/jpeg")),
        (b"GIF89a\2\0\3\0", "image", ("image", "image/gif")),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image", ("image", "image/webp")),
        (WAV, "audio", ("audio", "audio/wav")),
        (b"ID3\4", "audio", ("audio", "audio/mpeg")),
        (b"\xff\xfb\x90", "audio", ("audio", "audio/mpeg")),
        (b"OggS\0\2 OpusHead", "audio", ("audio", "audio/ogg")),
        (b"OggS\0\2 \x80theora", "video", None),
        (b"\0\0\0\x20ftypM4A ", "audio", ("audio", "audio/mp4")),
        (b"\0\0\0\x20ftypisom", "video", ("video", "video/mp4")),
        (b"\0\0\0\x20ftypheic", "image", None),
        (b"\x1a\x45\xdf\xa3 webm", "video", ("video", "video/webm")),
        (b"\x1a\x45\xdf\xa3 matroska", "video", None),
        (b"<?xml version='1.0'?><svg>", "image", None),
        (b"<!doctype html>", "image", None),
        (b"%PDF-1.4", "image", None),
        (b"", "image", None),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, wanted: str, found: tuple[str, str] | None) -> None:
    assert type_of(head, wanted) == found


@pytest.mark.parametrize(
    ("head", "content_type", "size"),
    [
        (png(7, 5), "image/png", (7, 5)),
        (b"GIF89a\2\0\3\0", "image/gif", (2, 3)),
        (b"\xff\xd8\xff\xe0\0\4xx\xff\xc0\0\x11\x08\0\3\0\7" + b"\0" * 9, "image/jpeg", (7, 3)),
        (b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8 + b"\6\0\0\4\0\0", "image/webp", (7, 5)),
        (b"\xff\xd8\xff", "image/jpeg", None),
    ],
)
def test_the_size_of_an_image_is_read_from_its_head(head: bytes, content_type: str, size: tuple[int, int]) -> None:
    assert size_of(head, content_type) == size
