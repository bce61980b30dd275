"""The registry of export layouts: one line each."""

from annotation.common.errors import DomainError
from annotation.exports.layouts.base import Layout
from annotation.exports.layouts.prism import Prism

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (Prism(),)}


def layout_named(name: str) -> Layout:
    if name not in LAYOUTS:
        raise DomainError(f"There is no layout {name}; there are {', '.join(LAYOUTS)}.", field="layout")
    return LAYOUTS[name]
