"""The registry of export layouts: one line each."""

from annotation.common.errors import DomainError
from annotation.exports.layouts.base import Layout
from annotation.exports.layouts.listwise import Listwise
from annotation.exports.layouts.preference import Preference
from annotation.exports.layouts.prism import Prism
from annotation.exports.layouts.raw_votes import RawVotes

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (Prism(), Preference(), Listwise(), RawVotes())}


def layout_named(name: str) -> Layout:
    if name not in LAYOUTS:
        raise DomainError(f"There is no layout {name}; there are {', '.join(LAYOUTS)}.", field="layout")
    return LAYOUTS[name]
