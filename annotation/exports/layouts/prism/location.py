"""The location block: ISO codes, UN regions and the special regions of the published data."""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pycountry

from annotation.exports.layouts.prism.names import LOCATION, PREFER_NOT

REGIONS = Path(__file__).resolve().parents[2] / "data" / "un_regions.csv"
LATIN_AMERICA = "Latin America and the Caribbean"
Place = tuple[str | None, str | None, str | None, str | None]
"""Name, alpha-3, UN region, UN sub-region."""


@cache
def regions() -> Mapping[str, tuple[str, str]]:
    with REGIONS.open(encoding="utf-8", newline="") as file:
        return {row["alpha_3"]: (row["region"], row["subregion"]) for row in csv.DictReader(file)}


@cache
def place(code: str) -> Place:
    """The country of an alpha-2, alpha-3 or numeric code or of its ISO name; unknown words stay as they are."""
    country = pycountry.countries.get(alpha_3=code.upper()) or _by_name(code)
    if country is None:
        return code, None, None, None
    region, subregion = regions().get(country.alpha_3, (None, None))
    return country.name, country.alpha_3, region, subregion


def _by_name(text: str) -> Any:
    try:
        return pycountry.countries.lookup(text)
    except LookupError:
        return None


def located(stored: Mapping[str, Any]) -> Place:
    if stored["missing"] == "prefer_not_to_say" or stored["value"] == PREFER_NOT:
        return (PREFER_NOT, PREFER_NOT, PREFER_NOT, PREFER_NOT)
    return place(stored["value"]) if stored["value"] else (None, None, None, None)


def special_region(country: str | None, region: str | None, subregion: str | None) -> str | None:
    """From the country of birth; the first case that holds counts."""
    if country == "USA":
        return "US"
    if country == "GBR":
        return "UK"
    if country == "MEX" or subregion == LATIN_AMERICA:
        return LATIN_AMERICA
    if subregion == "Northern America":
        return "Northern America"
    if subregion == "Western Asia":
        return "Middle East"
    if subregion == "Australia and New Zealand":
        return "Australia and New Zealand"
    return region


def location(birth: Mapping[str, Any], reside: Mapping[str, Any]) -> dict[str, str | None]:
    """The block, in the published order, from the stored answers about the countries of birth and of residence."""
    born, living = located(birth), located(reside)
    values = (*born, *living, _same(born, living), special_region(*born[1:]))
    return dict(zip(LOCATION, values, strict=True))


def _same(born: Place, living: Place) -> str | None:
    if PREFER_NOT in (born[0], living[0]):
        return PREFER_NOT
    if born[0] is None or living[0] is None:
        return None
    return "Yes" if born[:2] == living[:2] else "No"
