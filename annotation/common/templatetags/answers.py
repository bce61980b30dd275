"""`{{ text|answer_html }}`: untrusted text as safe HTML."""

from django import template
from django.utils.safestring import SafeString

from annotation.common.markdown import render_markdown

register = template.Library()


@register.filter
def answer_html(text: str) -> SafeString:
    return render_markdown(text)
