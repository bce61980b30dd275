"""From a file, a preset or a draft to a checked document. YAML is read the strict way: a key that stands twice is an
error, only `true` and `false` are truth values (so `[Yes, No]` are two texts), and nothing is expanded by reference."""

import json
import math
import re
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from annotation.common.errors import DocumentError
from annotation.common.storable import is_storable
from annotation.studies.document import StudyDocument
from annotation.studies.document.steps import STEP_KINDS
from annotation.studies.mistakes import WHOLE, nearest, problems_of

PRESETS = Path(__file__).parent / "presets"
MAX_CHARS = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 40
MAX_FILE_BYTES = 400_000
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\.md")
QUOTES = "A text that holds : ? # , or brackets needs quotes around it."
Tree = dict[str, Any]


def preset_names() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def read_document(text: str, *, folder: Path | None = None) -> StudyDocument:
    """The checked document in `text`. Files that it names are looked for in `folder`."""
    return checked(read_tree(text, folder=folder))


def read_source(name_or_path: str) -> Tree:
    """The whole tree of a preset (by its name) or of a file, with what it extends and the files it names."""
    preset = name_or_path.replace("-", "_")
    path = PRESETS / f"{preset}.yaml" if preset in preset_names() else Path(name_or_path)
    if not path.is_file():
        raise DocumentError(
            [(WHOLE, f"{name_or_path} is no file and no preset; presets are {', '.join(preset_names())}")]
        )
    if path.stat().st_size > MAX_CHARS:
        raise DocumentError([(WHOLE, f"the file is longer than the {MAX_CHARS} characters that are allowed")])
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DocumentError([(WHOLE, "the file is not UTF-8 text")]) from None
    return read_tree(text, folder=path.parent)


def folder_of(name_or_path: str) -> Path:
    """Where what a preset or a file names lies."""
    return PRESETS if name_or_path.replace("-", "_") in preset_names() else Path(name_or_path).resolve().parent


def read_tree(text: str, *, folder: Path | None = None, extended_by: tuple[str, ...] = ()) -> Tree:
    """The plain tree in `text`: parsed, its files inlined, laid over the preset that it extends."""
    tree = _parse(text)
    _refuse_huge(tree)
    if odd := list(_odd(tree, "")):
        raise DocumentError(odd)
    tree = {key: _with_files(part, folder, key) for key, part in tree.items()}
    base = tree.pop("extends", None)
    if base is None:
        return tree
    if base not in preset_names() or base in extended_by:
        allowed = [name for name in preset_names() if name not in extended_by]
        raise DocumentError([("extends", f"{base} is no preset to build on; allowed are {', '.join(allowed)}")])
    below = read_tree(
        (PRESETS / f"{base}.yaml").read_text(encoding="utf-8"), folder=PRESETS, extended_by=(*extended_by, base)
    )
    whole: Tree = _laid_over(below, tree, "")
    return whole


def checked(tree: Tree) -> StudyDocument:
    """The document of a tree, or `DocumentError` with the path of every mistake."""
    try:
        return StudyDocument.model_validate(tree)
    except ValidationError as error:
        raise DocumentError(problems_of(error)) from None


def written(tree: Tree) -> str:
    """A tree as YAML that reads back to the same tree: the form in which drafts are kept."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


# -- parsing ---------------------------------------------------------------------------------------------------------
class _Loader(yaml.SafeLoader):
    """The safe loader, without YAML 1.1's guesses: yes/no/on/off, dates, base 60, octal."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # untyped in the stubs
            raise _fault(mark, "references (*name) are not allowed; write it out, or use extends")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fault(key_node.start_mark, "a key must be a plain word")
            # keys are words, also where they look like numbers or truth values
            if key_node.value in mapping:
                raise _fault(key_node.start_mark, f"the key {key_node.value} stands twice")
            mapping[key_node.value] = self.construct_object(value_node, deep=True)
        return mapping


for _tag, _pattern, _starts in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~\0"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", "-0123456789"),
):
    _starting = ["" if start == "\0" else start for start in _starts]
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _starting)


def _fault(mark: yaml.Mark, text: str) -> DocumentError:
    return DocumentError([(f"line {mark.line + 1}, column {mark.column + 1}", text)])


def _parse(text: str) -> Tree:
    if len(text) > MAX_CHARS:
        raise DocumentError([(WHOLE, f"the document is longer than the {MAX_CHARS} characters that are allowed")])
    try:
        tree = _json(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=_Loader)  # noqa: S506 - built on SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else WHOLE
        raise DocumentError([(place, f"this is not readable as YAML: {error.problem}. {QUOTES}")]) from None
    except yaml.YAMLError as error:
        raise DocumentError([(WHOLE, f"this is not readable as YAML: {error}")]) from None
    except RecursionError:
        raise DocumentError([(WHOLE, f"more than {MAX_DEPTH} levels inside each other are not allowed")]) from None
    if not isinstance(tree, dict):
        raise DocumentError([(WHOLE, "a study document is a mapping that begins with 'study: <name>'")])
    return tree


def _json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> Tree:
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise DocumentError([(WHOLE, f"the key {twice[0]} stands twice")])
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DocumentError([(place, f"this is not readable as JSON: {error.msg}")]) from None


def _no_constant(word: str) -> Any:
    raise DocumentError([(WHOLE, f"{word} is not allowed in JSON")])


def _refuse_huge(tree: Tree) -> None:
    nodes, level = 0, [tree]
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        level = [part for node in level for part in _parts(node)]
        if nodes > MAX_NODES:
            raise DocumentError([(WHOLE, f"more than {MAX_NODES} entries are not allowed")])
    if level:
        raise DocumentError([(WHOLE, f"more than {MAX_DEPTH} levels inside each other are not allowed")])


def _odd(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """What no database and no strict JSON can hold."""
    if isinstance(node, str) and not is_storable(node):
        yield path, "holds a character that is no text (NUL or half of a pair)"
    if isinstance(node, float) and not math.isfinite(node):
        yield path, f"{node} is not allowed; write a number that has an end"
    if isinstance(node, dict):
        yield from _odd("".join(map(str, node)), path)
    for key, part in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from _odd(part, _join(path, key))


def _parts(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return list(node) if isinstance(node, list) else []


# -- files that the document names -----------------------------------------------------------------------------------
def _with_files(node: Any, folder: Path | None, path: str) -> Any:
    """The tree with every text of the form `name.md` replaced by that file's words."""
    if isinstance(node, dict):
        return {key: _with_files(part, folder, _join(path, key)) for key, part in node.items()}
    if isinstance(node, list):
        return [_with_files(part, folder, _join(path, number)) for number, part in enumerate(node)]
    if isinstance(node, str) and _FILE.fullmatch(node):
        return _file(node, folder, path)
    return node


def _file(name: str, folder: Path | None, path: str) -> str:
    if folder is None:
        raise DocumentError([(path, f"{name} names a file, and this document stands alone; write the text itself")])
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise DocumentError([(path, f"{name} is not there; files must lie beside the document or below it")])
    if file.stat().st_size > MAX_FILE_BYTES:
        raise DocumentError([(path, f"{name} is larger than the {MAX_FILE_BYTES} bytes that are allowed")])
    try:
        return file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise DocumentError([(path, f"{name} is not UTF-8 text")]) from None


def _join(path: str, part: object) -> str:
    return f"{path}.{part}" if path else str(part)


# -- extending a preset ----------------------------------------------------------------------------------------------
def _laid_over(below: Any, above: Any, path: str) -> Any:
    """`above` wins. Mappings are merged key by key, `null` takes a key away, lists are replaced — but a mapping over a
    list of named things (steps, consent, pool) changes those of that name."""
    if isinstance(below, dict) and isinstance(above, dict):
        merged = {key: _laid_over(below.get(key), part, _join(path, key)) for key, part in above.items()}
        return {key: part for key, part in (below | merged).items() if part is not None}
    if isinstance(below, list) and isinstance(above, dict):
        return _named_over(below, above, path)
    return above


def _named_over(below: list[Any], above: Tree, path: str) -> list[Any]:
    named = [_name_of(part) for part in below]
    for name in above:
        if name not in named:
            raise DocumentError([(_join(path, name), f"nothing of that name is extended{nearest(name, named)}")])
    return [
        _laid_over(part, above[name], _join(path, name)) if name in above else part
        for name, part in zip(named, below, strict=True)
        if above.get(name, part) is not None
    ]


def _name_of(part: Any) -> str:
    if not isinstance(part, dict):
        return str(part)
    keys = ("name", "version", *STEP_KINDS)
    return next((str(part[key]) for key in keys if isinstance(part.get(key), str)), "")


# -- writing ---------------------------------------------------------------------------------------------------------
class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, so that a draft can be read and edited."""


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_represent: Callable[..., None] = _Dumper.add_representer
_represent(str, _string)
_represent(tuple, yaml.SafeDumper.represent_list)
_Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]  # references are refused when a draft is read
