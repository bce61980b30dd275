"""A page as a bot reads it: its forms, the questions in them, the candidates that are judged, and where it waits for a
turn. Every study form says what it is for in `data-form`; a question is a `<section data-question="prefix">`; a
candidate is an `<article data-slot="A">`, which in rehearsals tells its stored text in `data-text`."""

from dataclasses import dataclass, field
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Tag

Values = dict[str, list[str]]


@dataclass
class Form:
    """A form with the values that a browser would send if nothing were changed."""

    purpose: str
    action: str
    values: Values
    questions: list[str] = field(default_factory=list)
    ticks: list[str] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    slots: dict[str, str] = field(default_factory=dict)
    source: str = ""
    is_get: bool = False


@dataclass
class Page:
    """What a bot sees at an address."""

    url: str
    forms: dict[str, Form]
    turn_events: str
    end: str
    code: str
    error: str


def read_page(url: str, html: str) -> Page:
    soup = BeautifulSoup(html, "html.parser")
    waiting = soup.select_one("[data-turn-events]")
    end = soup.select_one("[data-end]")
    code = soup.select_one("[data-completion-code]")
    error = soup.select_one("[data-error-summary]")
    forms = [_read_form(url, tag, soup) for tag in soup.select("form[data-form]")]
    return Page(
        url=url,
        forms={form.purpose: form for form in forms},
        turn_events=urljoin(url, str(waiting["data-turn-events"])) if waiting else "",
        end=str(end["data-end"]) if end else "",
        code=code.get_text(strip=True) if code else "",
        error=error.get_text(" ", strip=True) if error else "",
    )


def _read_form(url: str, tag: Tag, soup: BeautifulSoup) -> Form:
    form = Form(
        purpose=str(tag["data-form"]),
        action=urljoin(url, str(tag.get("action") or url)),
        values={},
        questions=[str(section["data-question"]) for section in tag.select("[data-question]")],
        slots={str(one["data-slot"]): str(one.get("data-text", "")) for one in tag.select("article[data-slot]")},
        source=str(tag.get("data-source", "")),
        is_get=tag.get("method") == "get",
    )
    controls = tag.select("input[name], textarea[name], select[name]")
    # those that stand elsewhere and name the form as theirs
    controls += [one for one in soup.select(f'[name][form="{tag.get("id", "")}"]') if tag not in one.parents]
    for control in controls:
        if not control.has_attr("disabled"):
            _read_control(form, control)
    return form


def _read_control(form: Form, control: Tag) -> None:
    name, kind = str(control["name"]), str(control.get("type", "text"))
    in_question = control.find_parent(attrs={"data-question": True}) is not None
    if control.name == "select":
        selected = [option for option in control.select("option") if option.has_attr("selected")]
        form.values[name] = [str(option.get("value", option.get_text())) for option in selected]
    elif control.name == "textarea":
        form.values.setdefault(name, []).append(control.get_text())
        form.texts += [] if in_question else [name]
    elif kind in {"checkbox", "radio"}:
        value = str(control.get("value", "on"))
        if control.has_attr("checked"):
            form.values.setdefault(name, []).append(value)
        if not in_question and kind == "checkbox":
            form.ticks.append(name)
        if not in_question and kind == "radio":
            form.choices.setdefault(name, []).append(value)
    elif kind not in {"submit", "button", "image", "reset", "file"}:
        form.values.setdefault(name, []).append(str(control.get("value", "")))
