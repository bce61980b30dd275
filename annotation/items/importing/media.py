"""Images, sounds and films that rows name: found beside the rows, told by their first bytes and never by their name,
and kept once under the SHA-256 of their content. What a browser could run (SVG, HTML) is not among the kinds."""

import hashlib
import os
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

from annotation.items.importing.problems import BadValueError

MOST_BYTES = {"image": 20 * 2**20, "audio": 50 * 2**20, "video": 300 * 2**20}
MOST_PIXELS = 100_000_000
HEAD = 65_536
KINDS = "PNG, JPEG, WebP or GIF images, MP3, OGG, WAV or M4A sounds, MP4 or WebM films"
_FILMS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"dash", b"MSNV", b"mmp4")


@dataclass(frozen=True, slots=True)
class Medium:
    """A file that is kept: what it is, told by its content."""

    sha256: str
    kind: str
    content_type: str
    name: str
    bytes: int
    width: int | None
    height: int | None


def type_of(head: bytes, wanted: str) -> tuple[str, str] | None:
    """(kind, content type) by the first bytes; `wanted` decides for containers that hold sounds and films alike."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image", "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image", "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image", "image/gif"
    if head.startswith(b"RIFF") and head[8:12] in (b"WEBP", b"WAVE"):
        return ("image", "image/webp") if head[8:12] == b"WEBP" else ("audio", "audio/wav")
    if head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] in (0xFB, 0xF3, 0xF2, 0xFA)):
        return "audio", "audio/mpeg"
    if head.startswith(b"OggS"):
        return None if b"theora" in head[:4096] else ("audio", "audio/ogg")
    container = "audio" if wanted == "audio" else "video"
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"M4A ", b"M4B "):
            return "audio", "audio/mp4"
        return (container, f"{container}/mp4") if head[8:12] in _FILMS else None
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return (container, f"{container}/webm") if b"webm" in head[:4096] else None
    return None


def size_of(head: bytes, content_type: str) -> tuple[int, int] | None:
    """Width and height of an image."""
    try:
        match content_type:
            case "image/png":
                return _two(">II", head[16:24])
            case "image/gif":
                return _two("<HH", head[6:10])
            case "image/webp":
                return _webp_size(head)
            case "image/jpeg":
                return _jpeg_size(head)
    except (struct.error, IndexError):
        return None
    return None


def _two(form: str, packed: bytes) -> tuple[int, int]:
    first, second = struct.unpack(form, packed)
    return first, second


def _webp_size(head: bytes) -> tuple[int, int] | None:
    chunk = head[12:16]
    if chunk == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = _two("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Walks the segments to the frame header."""
    at = 2
    while at + 9 < len(head) and head[at] == 0xFF:
        mark = head[at + 1]
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            height, width = _two(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


class MediaFolder:
    """The media of one import. Looks at each file once; with `keep` it also puts them where they are served from."""

    def __init__(self, root: Path, keep: Path | None = None) -> None:
        self.root = root.resolve()
        self.keep = keep
        # every file that was taken since `fresh` was emptied last, by its hash
        self.fresh: dict[str, Medium] = {}
        self._by_path: dict[Path, Medium] = {}

    def take(self, value: Any, wanted: str) -> dict[str, Any]:
        """A content part for what a row holds: a file's name, its bytes, or both as `datasets` stores them. Its `media`
        is the file's SHA-256. Raises `BadValueError`."""
        name, content = _name_and_bytes(value)
        medium = self._from_bytes(content, name, wanted) if content is not None else self._from_path(name, wanted)
        if medium.kind != wanted:
            raise BadValueError(f"{medium.name} is of kind {medium.kind}, and {wanted} is wanted here")
        self.fresh[medium.sha256] = medium
        return {"media": medium.sha256, "alt": ""}

    def _from_path(self, name: str, wanted: str) -> Medium:
        if "://" in name or name.startswith("//"):
            raise BadValueError("names another host; media have to lie beside the rows, or in the archive with them")
        path = (self.root / name.removeprefix("./")).resolve()
        if not path.is_relative_to(self.root) or not path.is_file():
            raise BadValueError(f"{name[:200]} is not there; media have to lie beside the rows, or in the archive")
        if path not in self._by_path:
            with path.open("rb") as opened:
                self._by_path[path] = self._looked_at(opened, path.name, wanted, path.stat().st_size)
        return self._by_path[path]

    def _from_bytes(self, content: bytes, name: str, wanted: str) -> Medium:
        return self._looked_at(BytesIO(content), PurePosixPath(name).name or "from the table", wanted, len(content))

    def _looked_at(self, opened: BinaryIO, name: str, wanted: str, size: int) -> Medium:
        head = opened.read(HEAD)
        found = type_of(head, wanted)
        if found is None:
            raise BadValueError(f"{name} is of no kind that can be shown; allowed are {KINDS}")
        kind, content_type = found
        if size > MOST_BYTES[kind]:
            raise BadValueError(f"{name} has {size:,} bytes; {MOST_BYTES[kind]:,} are allowed for {kind}")
        sides = size_of(head, content_type)
        if sides and sides[0] * sides[1] > MOST_PIXELS:
            raise BadValueError(f"{name} has {sides[0]} × {sides[1]} pixels; {MOST_PIXELS:,} are allowed")
        opened.seek(0)
        sha256 = _sha256(opened)
        if self.keep is not None:
            opened.seek(0)
            _store(opened, stored_at(self.keep, sha256))
        return Medium(sha256, kind, content_type, name[:200], size, *(sides or (None, None)))


def _sha256(opened: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := opened.read(2**20):
        digest.update(piece)
    return digest.hexdigest()


def stored_at(folder: Path, sha256: str) -> Path:
    """Where a file with that content lies."""
    return folder / sha256[:2] / sha256


def _store(opened: BinaryIO, target: Path) -> None:
    """Whole or not at all: written beside and moved into place. What is there already is the same."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=target.parent, delete=False) as out:
        while piece := opened.read(2**20):
            out.write(piece)
    os.replace(out.name, target)  # noqa: PTH105 - a name, not a path


def _name_and_bytes(value: Any) -> tuple[str, bytes | None]:
    if isinstance(value, bytes):
        return "", value
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return str(value.get("path") or ""), value["bytes"]
    name = value.get("path") if isinstance(value, dict) else value
    if not isinstance(name, str) or not name or "\0" in name or len(name) > 1000:
        raise BadValueError("has to be the name of a file that lies beside the rows")
    return name, None
