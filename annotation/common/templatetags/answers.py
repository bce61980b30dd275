"""`{{ text|answer_html }}`: untrusted text as safe HTML."""

import json

from django import template
from django.utils.safestring import SafeString

from annotation.common.markdown import render_markdown

register = template.Library()


@register.filter
def answer_html(text: str) -> SafeString:
    return render_markdown(text)


@register.filter
def as_json(value: object) -> str:
    """A stored value as indented JSON, for staff."""
    return json.dumps(value, indent=2, ensure_ascii=False)
