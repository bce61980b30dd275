"""`{{ text|answer_html }}`: untrusted text as safe HTML."""

import json
from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.safestring import SafeString

from annotation.common.markdown import render_code, render_markdown

register = template.Library()


@register.filter
def answer_html(text: str) -> SafeString:
    return render_markdown(text)


@register.filter
def code_html(text: str, language: str) -> SafeString:
    return render_code(text, language)


@register.filter
def of_key(pairs: Mapping[str, Any] | str, key: str) -> Any:
    """What stands in a mapping under a key that is known only to the page; `None` where there is nothing."""
    return pairs.get(key) if isinstance(pairs, Mapping) else None


@register.filter
def as_json(value: object) -> str:
    """A stored value as indented JSON, for staff."""
    return json.dumps(value, indent=2, ensure_ascii=False)
