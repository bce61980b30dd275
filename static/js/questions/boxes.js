// Boxes that belong together: N/A and "prefer not to say" against an answer, choices that stand alone, and *other*
// with its text.

export function watchBoxes(root) {
  root.addEventListener("change", (event) => {
    const control = event.target;
    if (control.matches?.("[data-instead]")) insteadOfAnAnswer(control);
    else if (control.matches?.("[data-na-of]")) rowSwitched(control);
    else if (control.closest?.("[data-question]") && !control.name.endsWith("-touched")) answered(control);
    if (control.type === "checkbox" && control.checked) standAlone(control);
  });
  root.addEventListener("input", (event) => {
    const control = event.target;
    if (control.dataset?.otherOf && control.value) tickOther(control);
    if (control.dataset?.otherOfSelect && control.value) chooseOther(control);
  });
  const dress = (part) => {
    for (const box of part.querySelectorAll("[data-na-of]")) rowSwitched(box);
    for (const box of part.querySelectorAll("[data-instead]:checked")) fade(box, true);
  };
  const start = () => dress(document);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
  document.addEventListener("htmx:load", (event) => dress(event.detail.elt));
}

function insteadOfAnAnswer(box) {
  const question = box.closest("[data-question]");
  if (box.checked) {
    for (const other of question.querySelectorAll("[data-instead]")) if (other !== box) other.checked = false;
  }
  fade(box, Boolean(question.querySelector("[data-instead]:checked")));
}

const fade = (box, faded) =>
  box.closest("[data-question]").querySelector(".question-answer")?.classList.toggle("is-faded", faded);

// whoever answers after all takes the tick back
function answered(control) {
  const question = control.closest("[data-question]");
  for (const box of question.querySelectorAll("[data-instead]:checked")) {
    box.checked = false;
    fade(box, false);
  }
  const row = control.closest("[data-row]")?.querySelector("[data-na-of]:checked");
  if (row && !control.matches("[data-na-of]")) {
    row.checked = false;
    rowSwitched(row);
  }
}

function rowSwitched(box) {
  box.closest("[data-row]").classList.toggle("is-not-applicable", box.checked);
}

function standAlone(box) {
  const boxes = box.closest("[data-question]")?.querySelectorAll(`input[type=checkbox][name="${CSS.escape(box.name)}"]`);
  for (const other of boxes ?? []) {
    if (other !== box && (box.hasAttribute("data-exclusive") || other.hasAttribute("data-exclusive"))) {
      other.checked = false;
    }
  }
}

function tickOther(text) {
  const choice = document.getElementById(text.dataset.otherOf);
  if (choice && !choice.checked) {
    choice.checked = true;
    choice.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

function chooseOther(text) {
  const select = text.closest("[data-question]").querySelector("select");
  if (select.value !== "other") {
    select.value = "other";
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
