/* Rating answers: keys, and long answers that open.
   Digits and letters go to an answer's rating, T and N to "equally good" and "none", ? lists the keys. Keys of one
   character can be switched off there (WCAG 2.1.4); the choice is kept in this browser. */

const OFF = "plurivox-single-keys-off";

document.addEventListener("keydown", (event) => {
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

function pressed(key) {
  const form = document.getElementById("judge-form");
  if (!form || key.length !== 1) return false;
  const special = form.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (special) {
    special.focus();
    special.click();
    return true;
  }
  const answers = [...form.querySelectorAll(".answer")];
  const answer = /[1-9]/.test(key) ? answers[Number(key) - 1] : answers.find((one) => one.dataset.slot.toLowerCase() === key);
  const control = answer?.querySelector(".answer-rating :is(input:not([type=hidden]), select, textarea)");
  if (!control) return false;
  control.focus();
  if (control.type === "radio") control.click();
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

// only what is cut off needs a button, and a place in the tab order so that the keyboard can scroll it
function offerMore() {
  for (const button of document.querySelectorAll("[data-open-keys]")) button.hidden = false;
  for (const body of document.querySelectorAll("[data-expandable]")) {
    const cut = body.scrollHeight > body.clientHeight + 8;
    if (!cut || body.nextElementSibling?.matches("[data-expand]")) continue;
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
offerMore();
