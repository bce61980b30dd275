"""The presets, as a new study's page offers them."""

from dataclasses import dataclass
from functools import cache

from annotation.studies.loading import checked, preset_names, read_source
from annotation.studies.texts import in_language


@dataclass(frozen=True, slots=True)
class Preset:
    """A study to start from."""

    name: str
    title: str
    summary: str


@cache
def presets() -> tuple[Preset, ...]:
    """Every preset, read once a process: they come with the program."""
    return tuple(_preset(name) for name in preset_names())


def _preset(name: str) -> Preset:
    document = checked(read_source(name))
    language = document.languages[0]
    return Preset(name, in_language(document.title, language), in_language(document.summary, language))
