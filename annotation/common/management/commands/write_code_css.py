"""Writes the colours of highlighted code, light and dark, as a style sheet."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from pygments.formatters import HtmlFormatter

# both keep 4.5:1 for every kind of word on the ground of `pre.highlight` (chat.css)
LIGHT, DARK = "xcode", "one-dark"


class Command(BaseCommand):
    help = "Write static/css/code.css from the code highlighter's own styles."

    def handle(self, *args: Any, **options: Any) -> None:
        target = Path(settings.BASE_DIR) / "static" / "css" / "code.css"
        target.write_text(code_css(), encoding="utf-8")
        self.stdout.write(f"wrote {target}")


def code_css() -> str:
    """The rules of both styles for `pre.highlight`; grounds are the page's own."""
    head = "/* Written by `manage.py write_code_css`; do not edit. */\n"
    return f"{head}{_rules(LIGHT)}\n@media (prefers-color-scheme: dark) {{\n{_rules(DARK)}\n}}\n"


def _rules(style: str) -> str:
    lines = HtmlFormatter(style=style).get_style_defs("pre.highlight").splitlines()  # type: ignore[no-untyped-call]  # its stubs forgot it
    kept = [line.split("/*")[0].rstrip() for line in lines if re.match(r"pre\.highlight \.\w+ \{", line)]
    return "\n".join(line for line in kept if " .hll " not in line)
