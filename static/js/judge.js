/* Judging: keys, and long answers that open. For talks and for cards.

   A digit or a letter belongs to the question that has the focus, where that has such a choice (a point of a scale, a
   candidate). Else it goes to that answer's own rating; where answers have none, it picks the answer in the first
   question that is still open. T, N and U are "equally good", "none" and "cannot judge", S skips, Z enlarges a picture, ? lists the keys.
   A control takes a key by data-key="x", by being a choice with the value of a slot (or tie, both_bad, none, cannot_judge), or by
   data-pick. Keys of one character can be switched off in the list (WCAG 2.1.4); that is kept in this browser. */

const OFF = "plurivox-single-keys-off";

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.target.closest("form, dialog")) {
    // form.js knows the keys inside a form
    document.querySelector("main form[data-pv-keys]")?.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
  if (event.key === "?") {
    document.getElementById("keys")?.showModal();
    event.preventDefault();
  } else if (!keysAreOff() && pressed(event.key.toLowerCase())) {
    event.preventDefault();
  }
});

const isTyping = (element) =>
  element.closest?.("dialog") || element.matches?.("textarea, select, input:not([type=range], [type=radio], [type=checkbox])");

const CHOICES = ':is(input[type="radio"], input[type="checkbox"])';
const VALUES = { t: ["tie"], n: ["both_bad", "none", "neither"], u: ["cannot_judge"] };

function pressed(key) {
  const form = document.getElementById("judge-form");
  if (!form || key.length !== 1) return false;
  const answers = [...form.querySelectorAll(".answer")];
  const answer = /[1-9]/.test(key) ? answers[Number(key) - 1] : answers.find((one) => one.dataset.slot.toLowerCase() === key);
  const focused = document.activeElement?.closest("[data-question]");
  // of a question with lines of choices, a key belongs to its line
  const line = document.activeElement?.closest('[role="radiogroup"]') ?? focused;
  const here = focused && form.contains(focused) ? takes(line, key, answer).concat(points(line, key)) : [];
  if (here.length) return press(here[0]);
  const own = answer?.querySelector(".answer-rating .question :is(input:not([type=hidden]), select, textarea)");
  if (own) return goTo(own, answer);
  const all = [...form.querySelectorAll("[data-question]")].filter((question) => !question.hidden && !question.closest(".answer"));
  const open = all.filter((question) => !question.querySelector(":checked"));
  const found = [...open, ...all].flatMap((question) => takes(question, key, answer));
  const loose = [...form.closest("main").querySelectorAll(`[data-key="${CSS.escape(key)}"]`)];
  const pick = answer?.querySelector("[data-pick]");
  const control = pick ?? found[0] ?? loose[0];
  if (control) return press(control, answer);
  const row = answer && all.flatMap((question) => rows(question, answer.dataset.slot))[0];
  if (row) return goTo(row, answer);
  if (key === "z" && document.querySelector("[data-zoom]")) {
    document.dispatchEvent(new CustomEvent("judge:zoom", { detail: document.activeElement }));
    return true;
  }
  return false;
}

// the choices of a question that a key means, usable ones only
function takes(question, key, answer) {
  const values = [...(VALUES[key] ?? []), ...(answer ? [answer.dataset.slot] : [])];
  const named = values.map((value) => `${CHOICES}[value="${CSS.escape(value)}"]`);
  return [...question.querySelectorAll([`[data-key="${CSS.escape(key)}"]`, ...named].join(", "))].filter((one) => !one.disabled);
}

// where a question has a row for each candidate: what can be done there first
function rows(question, slot) {
  const usable = ':is(button, select, input, [tabindex="0"])';
  return [...question.querySelectorAll(`[data-row="${slot}"] ${usable}`)].filter((one) => !one.disabled && one.checkVisibility());
}

// a point of the scale that has the focus: only where it is numbered as the key says
function points(question, key) {
  return /[0-9]/.test(key) ? [...question.querySelectorAll(`${CHOICES}[value="${key}"]`)].filter((one) => !one.disabled) : [];
}

function press(control, answer) {
  control.focus();
  control.click();
  answer?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  return true;
}

function goTo(control, answer) {
  control.focus();
  answer.scrollIntoView({ block: "nearest", behavior: "smooth" });
  return true;
}

function keysAreOff() {
  try {
    return localStorage.getItem(OFF) === "1";
  } catch {
    return false;
  }
}

document.addEventListener("change", (event) => {
  if (event.target.id !== "single-keys") return;
  try {
    localStorage.setItem(OFF, event.target.checked ? "0" : "1");
  } catch {
    // a browser that keeps nothing: the choice holds for this page
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-keys]")) document.getElementById("keys")?.showModal();
  const more = event.target.closest("[data-expand]");
  if (!more) return;
  const body = more.previousElementSibling;
  const open = body.classList.toggle("is-open");
  more.setAttribute("aria-expanded", String(open));
  more.textContent = open ? body.dataset.less : body.dataset.more;
});

// a text that is only a few lines too long is shown whole (card.js measures alike)
const SLIVER = 80;

// only what is cut off needs a button, and a place in the tab order so that the keyboard can scroll it
function offerMore() {
  for (const button of document.querySelectorAll("[data-open-keys]")) button.hidden = false;
  for (const body of document.querySelectorAll("[data-expandable]")) {
    if (body.nextElementSibling?.matches("[data-expand]")) continue;
    const over = body.scrollHeight - body.clientHeight;
    if (over > 0 && over <= SLIVER) body.classList.add("is-whole");
    if (over <= SLIVER) continue;
    body.tabIndex = 0;
    const button = Object.assign(document.createElement("button"), { type: "button", className: "button-link answer-more", textContent: body.dataset.more });
    button.dataset.expand = "";
    button.setAttribute("aria-expanded", "false");
    body.after(button);
  }
}

const box = document.getElementById("single-keys");
if (box) box.checked = !keysAreOff();
document.addEventListener("talk:shown", offerMore);
document.addEventListener("pv:swapped", offerMore);
offerMore();
