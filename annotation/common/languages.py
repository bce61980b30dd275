"""Names and writing directions of languages."""

from django.conf.locale import LANG_INFO


def _info(code: str) -> dict[str, object]:
    return LANG_INFO.get(code) or LANG_INFO.get(code.split("-", maxsplit=1)[0]) or {}


def own_name(code: str) -> str:
    """The language's name in itself, with a capital where it has them."""
    name = str(_info(code).get("name_local", code))
    return name[:1].upper() + name[1:]


def direction(code: str) -> str:
    """`rtl` or `ltr`, as the `dir` attribute wants it."""
    return "rtl" if _info(code).get("bidi") else "ltr"
