"""Countries and languages by ISO code, with names in the language of the page where the standard has them."""

import gettext
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import pycountry


@lru_cache(maxsize=64)
def countries(language: str) -> Mapping[str, str]:
    """ISO 3166-1 alpha-3 code → name, in alphabetical order of the names."""
    named = {country.alpha_3: getattr(country, "common_name", country.name) for country in pycountry.countries}
    return _translated(named, "iso3166-1", language)


@lru_cache(maxsize=64)
def languages(language: str) -> Mapping[str, str]:
    """ISO 639-3 code → name, of the languages that also have a two-letter code: the others would make the list
    forty times longer, and *other* takes them."""
    named = {
        known.alpha_3: getattr(known, "common_name", known.name)
        for known in pycountry.languages
        if hasattr(known, "alpha_2")
    }
    return _translated(named, "iso639-3", language)


def _translated(named: Mapping[str, str], domain: str, language: str) -> Mapping[str, str]:
    catalogue = gettext.translation(
        domain, pycountry.LOCALES_DIR, languages=[language.replace("-", "_")], fallback=True
    )
    local = {code: catalogue.gettext(name) for code, name in named.items()}
    return MappingProxyType(dict(sorted(local.items(), key=lambda pair: (_folded(pair[1]), pair[0]))))


def _folded(name: str) -> str:
    """Without accents and case, so that Åland stands at A."""
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()
