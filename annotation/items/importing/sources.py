"""What somebody gave: a file, a zip archive, or a folder; and which files in it hold the rows. A dataset folder of the
Hugging Face hub is read as it lies: what its README names, else `data/`, else the top; or what `save_to_disk` wrote."""

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from annotation.items.importing.problems import Problem, UnreadableError
from annotation.items.importing.reading import READERS, Row, format_of

SUFFIXES = {".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow"}
NOT_DATA = {"dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json", "package.json"}
MOST_FILES = 200_000
MOST_UNPACKED = 20 * 2**30
# text of a data set seldom shrinks more than this; an archive that claims to is one that fills the disk
MOST_EXPANSION = 200
SPLIT = "split"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file with rows; `split` where the folder has several parts."""

    path: Path
    format: str
    split: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Rows from one or more files below `root`, where the media that they name lie, too."""

    root: Path
    files: tuple[DataFile, ...]

    @property
    def format(self) -> str:
        return self.files[0].format

    def rows(self) -> Iterator[Row | Problem]:
        """Every row; where there are several files each says which it comes from."""
        several = len(self.files) > 1
        for file in self.files:
            name = file.path.relative_to(self.root).as_posix() if several else ""
            for row in READERS[file.format](file.path):
                named = replace(row, file=name)
                if isinstance(named, Row) and file.split and SPLIT not in named.values:
                    named = replace(named, values=named.values | {SPLIT: file.split})
                yield named


def open_source(path: Path, *, unpack_into: Path | None = None) -> Source:
    """The rows in a file, a folder, or a zip archive, which is unpacked first. Raises `UnreadableError`."""
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise UnreadableError(f"{path.name} is not there.")
    kind = format_of(path)
    if kind != "zip":
        return Source(path.parent, (DataFile(path, kind),))
    if unpack_into is None:
        raise UnreadableError("The archive has nowhere to be unpacked.")
    unpack(path, unpack_into)
    return _folder(unpack_into)


# -- archives ----------------------------------------------------------------------------------------------------------
def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip archive that nobody vouches for: plain files only, none outside the folder, no flood of bytes. What
    an earlier try left is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _refuse_flood(members, archive.stat().st_size)
            for member in members:
                _unpack_one(opened, member, folder)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise UnreadableError(f"The archive cannot be unpacked: {error}") from None


def _refuse_flood(members: list[zipfile.ZipInfo], size: int) -> None:
    unpacked = sum(member.file_size for member in members)
    if len(members) > MOST_FILES:
        raise UnreadableError(f"The archive has {len(members):,} files; {MOST_FILES:,} are allowed.")
    if unpacked > MOST_UNPACKED or unpacked > max(size, 1_000_000) * MOST_EXPANSION:
        raise UnreadableError(f"The archive would unpack to {unpacked:,} bytes, which is not allowed.")


def _unpack_one(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or (member.external_attr >> 16) & 0o170000 == 0o120000:
        raise UnreadableError(f"The archive holds {member.filename[:100]}, which leads out of it.")
    if name.parts[0] == "__MACOSX" or any(part.startswith(".") for part in name.parts):
        return
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as packed, target.open("wb") as out:
            # the sizes in the archive's list are claims: no more is written than was claimed
            left = member.file_size
            while left and (piece := packed.read(min(left, 2**20))):
                out.write(piece)
                left -= len(piece)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{member.filename[:100]} cannot be unpacked: {error}") from None


# -- folders -----------------------------------------------------------------------------------------------------------
def _folder(root: Path) -> Source:
    """Archives often hold one folder with everything in it."""
    inside = [path for path in root.iterdir() if not path.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir():
        root = inside[0]
    files = tuple(_saved(root) or _hub_files(root))
    if not files:
        raise UnreadableError("There is no JSON Lines, CSV, Parquet or Arrow file in it.")
    return Source(root, files)


def _saved(root: Path) -> list[DataFile]:
    """What `save_to_disk` of the `datasets` library wrote: one data set, or one folder a split."""
    if (root / "state.json").is_file():
        return _saved_split(root, "")
    splits = _json_in(root / "dataset_dict.json").get("splits", [])
    return [file for split in splits if isinstance(split, str) for file in _saved_split(root / _plain(split), split)]


def _saved_split(folder: Path, split: str) -> list[DataFile]:
    listed = _json_in(folder / "state.json").get("_data_files", [])
    names = (
        [entry.get("filename", "") for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    )
    paths = [folder / _plain(str(name)) for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing or not paths:
        raise UnreadableError(f"{missing[0] if missing else 'state.json'} of the saved data set is not there.")
    return [DataFile(path, "arrow", split) for path in paths]


def _plain(name: str) -> str:
    return PurePosixPath(name).name


def _json_in(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UnreadableError(f"{path.name} is not readable as JSON.") from None
    return value if isinstance(value, dict) else {}


def _hub_files(root: Path) -> list[DataFile]:
    named = _named_by_readme(root)
    if named:
        return [_data_file(path, split) for path, split in named]
    below = root / "data"
    found = _data_paths(below) if below.is_dir() else []
    found = found or _data_paths(root)
    splits = [_split_in_name(path) for path in found]
    several = len(set(splits)) > 1 and all(splits)
    return [_data_file(path, split if several else "") for path, split in zip(found, splits, strict=True)]


def _data_paths(folder: Path) -> list[Path]:
    kept = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name not in NOT_DATA)
    return sorted(path for path in kept if path.is_file())


def _data_file(path: Path, split: str) -> DataFile:
    kind = format_of(path)
    if kind not in READERS:
        raise UnreadableError(f"{path.name} is an archive inside the folder; unpack it first.")
    return DataFile(path, kind, split)


def _split_in_name(path: Path) -> str:
    found = re.match(r"(train|test|validation|valid|dev|eval)\b|(\w+?)-\d{5}-of-\d{5}", path.stem)
    return (found[1] or found[2]) if found else ""


def _named_by_readme(root: Path) -> list[tuple[Path, str]]:
    """The files of the first (or default) configuration that the README's front matter names."""
    configs = _front_matter(root / "README.md").get("configs")
    named = [config for config in configs if isinstance(config, dict)] if isinstance(configs, list) else []
    first = next((config for config in named if config.get("default")), named[0] if named else {})
    listed = first.get("data_files")
    entries = listed if isinstance(listed, list) else [listed]
    pairs: list[tuple[str, str]] = []
    for entry in entries:
        part = entry if isinstance(entry, dict) else {"path": entry}
        patterns = part.get("path")
        several_patterns = patterns if isinstance(patterns, list) else [patterns]
        pairs += [(one, str(part.get("split", ""))) for one in several_patterns if isinstance(one, str)]
    several = len({split for _, split in pairs}) > 1
    return [(path, split if several else "") for pattern, split in pairs for path in _matching(root, pattern)]


def _matching(root: Path, pattern: str) -> list[Path]:
    paths = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in paths if fnmatch(path.relative_to(root).as_posix(), pattern.replace("**/", "*")))


def _front_matter(readme: Path) -> dict[str, Any]:
    if not readme.is_file() or readme.stat().st_size > 2_000_000:
        return {}
    found = re.match(r"---\r?\n(.*?)\r?\n---", readme.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    try:
        tree = yaml.safe_load(found[1]) if found else {}
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}
