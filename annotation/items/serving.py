"""Sending a stored image, sound or film. Who may have it was decided before. Files never change, so browsers keep them;
sounds and films are sent in the parts that a player asks for, so that it can jump."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase

from annotation.items.importing.media import stored_at
from annotation.items.models import MediaFile

PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def media_response(request: HttpRequest, media: MediaFile) -> HttpResponseBase:
    """The file, a part of it, or that the browser has it already."""
    path = stored_at(Path(settings.MEDIA_ROOT), media.sha256)
    if not path.is_file():
        raise Http404
    tag = f'"{media.sha256}"'
    if request.headers.get("If-None-Match") == tag:
        response: HttpResponseBase = HttpResponseNotModified()
    else:
        response = _content(request, path, media)
    response["ETag"] = tag
    # whoever was let in once was let in to this very file
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _content(request: HttpRequest, path: Path, media: MediaFile) -> HttpResponseBase:
    whole = path.stat().st_size
    wanted = _wanted(request.headers.get("Range", ""), whole)
    if wanted is None:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{whole}"})
    first, last = wanted
    length = last - first + 1
    pieces = _pieces_later(path, first, length) if isinstance(request, ASGIRequest) else _pieces(path, first, length)
    partial = length < whole
    response = StreamingHttpResponse(pieces, status=206 if partial else 200, content_type=media.content_type)
    response["Accept-Ranges"] = "bytes"
    response["Content-Length"] = str(length)
    response["Content-Disposition"] = "inline"
    if partial:
        response["Content-Range"] = f"bytes {first}-{last}/{whole}"
    return response


def _wanted(header: str, whole: int) -> tuple[int, int] | None:
    """First and last byte; everything where no part (or several) is asked for, `None` where the part is not there."""
    found = _RANGE.fullmatch(header)
    if not found or found.groups() == ("", ""):
        return 0, whole - 1
    if not found[1]:
        return (max(whole - int(found[2]), 0), whole - 1) if int(found[2]) else None
    first = int(found[1])
    last = min(int(found[2]), whole - 1) if found[2] else whole - 1
    return (first, last) if first <= last else None


def _pieces(path: Path, first: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as opened:
        opened.seek(first)
        while length and (piece := opened.read(min(PIECE, length))):
            length -= len(piece)
            yield piece


async def _pieces_later(path: Path, first: int, length: int) -> AsyncIterator[bytes]:
    """The same in the event loop: a film is never whole in memory."""
    opened = await sync_to_async(lambda: path.open("rb"))()
    try:
        await sync_to_async(opened.seek)(first)
        while length and (piece := await sync_to_async(opened.read)(min(PIECE, length))):
            length -= len(piece)
            yield piece
    finally:
        opened.close()
