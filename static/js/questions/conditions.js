// Live conditions: a question that depends on others of the same page comes and goes as they are answered. What is
// hidden is disabled, so that it posts nothing. The server decides again when the form is sent.

export function watchConditions(root) {
  const start = () => settle(document);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
  root.addEventListener("change", start);
  document.addEventListener("htmx:load", start);
}

// conditions only look back, so one pass in document order is enough
function settle(part) {
  for (const question of part.querySelectorAll("[data-show-if]")) {
    show(question, holds(JSON.parse(question.dataset.showIf)));
  }
}

function show(question, shown) {
  if (question.hidden === !shown) return;
  question.hidden = !shown;
  for (const control of question.querySelectorAll("input, select, textarea, button")) {
    if (!shown && !control.disabled) {
      control.disabled = true;
      control.dataset.hiddenWith = "question";
    } else if (shown && control.dataset.hiddenWith) {
      control.disabled = false;
      delete control.dataset.hiddenWith;
    }
  }
}

export function holds(condition) {
  const [[key, value]] = Object.entries(condition);
  if (key === "all") return value.every(holds);
  if (key === "any") return value.some(holds);
  if (key === "not") return !holds(value);
  const test = value !== null && typeof value === "object" && !Array.isArray(value) ? value : { is: value };
  return tested(test, answerOf(key));
}

function tested(test, { value, missing }) {
  const [[kind, wanted]] = Object.entries(test);
  if (kind === "missing") return typeof wanted === "boolean" ? Boolean(missing) === wanted : missing === wanted;
  if (missing) return false;
  if (kind === "is") return JSON.stringify(value) === JSON.stringify(wanted);
  if (kind === "in") return wanted.includes(value);
  if (kind === "contains") return typeof value === "string" || Array.isArray(value) ? value.includes(wanted) : wanted in value;
  if (typeof value !== "number") return false;
  return kind === "at_least" ? value >= wanted : value <= wanted;
}

// the answer as the server will read it: a value, or why there is none
function answerOf(prefix) {
  const question = document.getElementById(`question-${prefix}`);
  if (!question || question.hidden) return { missing: "not_shown" };
  const said = (suffix) => question.querySelector(`[name="${CSS.escape(`${prefix}-${suffix}`)}"]`)?.checked;
  if (said("na")) return { missing: "not_applicable" };
  if (said("pnts")) return { missing: "prefer_not_to_say" };
  const value = READERS[question.dataset.kind]?.(question, prefix) ?? text(question, prefix);
  const empty = value === "" || (Array.isArray(value) && !value.length);
  return empty ? { missing: "unanswered" } : { value, missing: "" };
}

const named = (question, name) => [...question.querySelectorAll(`[name="${CSS.escape(name)}"]`)];
const text = (question, prefix) => named(question, prefix)[0]?.value.trim() ?? "";
const radio = (question, prefix) => named(question, prefix).find((input) => input.checked)?.value ?? "";
const number = (raw) => (raw === "" ? "" : Number(String(raw).replace(",", ".")));

function rows(question, prefix, read) {
  const all = [...question.querySelectorAll("[data-row]")].map((row) => {
    const field = `${prefix}-${row.dataset.row}`;
    const away = row.querySelector("[data-na-of]")?.checked;
    const given = away ? "" : number(read(question, field));
    return [row.dataset.row, given === "" ? null : given];
  });
  return all.some(([, given]) => given !== null) ? Object.fromEntries(all) : "";
}

const ticked = (question, name) =>
  named(question, name)
    .filter((input) => input.checked)
    .map((input) => input.value);

// of a graded preference conditions test the strength, whichever side it is for
function strength(question, prefix) {
  const given = radio(question, prefix);
  return given === "" || Number.isNaN(Number(given)) ? given : Math.abs(Number(given));
}

// candidates are named by their letters here and by their ids on the server, so that conditions name neither
function filled(question, prefix) {
  const given = [...question.querySelectorAll("input, select, textarea")].filter(
    (input) => !["checkbox", "radio"].includes(input.type) || input.checked,
  );
  const fields = given.filter((input) => input.name.startsWith(`${prefix}-`) && !input.name.endsWith("-touched"));
  return fields.some((input) => input.value.trim()) ? {} : "";
}

const READERS = {
  preference: radio,
  graded_preference: strength,
  best_of: ticked,
  best_worst: filled,
  ranking: filled,
  aspect_grid: filled,
  stars: (question, prefix) => number(radio(question, prefix)),
  confidence: (question, prefix) => number(radio(question, prefix)),
  yes_no: (question, prefix) => ({ yes: true, no: false })[radio(question, prefix)] ?? "",
  reasons: (question, prefix) => {
    const keys = ticked(question, prefix);
    const own = text(question, `${prefix}-other-text`);
    return keys.length || !own ? (keys.length ? keys : filled(question, prefix)) : ["other"];
  },
  rationale: text,
  points: filled,
  spans: filled,
  extract: (question, prefix) => (ticked(question, prefix).length ? ticked(question, prefix) : filled(question, prefix)),
  label_tree: ticked,
  single_choice: radio,
  multiple_choice: ticked,
  number: (question, prefix) => number(text(question, prefix)),
  slider: (question, prefix) => number(text(question, prefix)),
  likert: (question, prefix) => number(radio(question, prefix)),
  statement: (question, prefix) => named(question, prefix)[0].checked,
  sliders: (question, prefix) => rows(question, prefix, text),
  likert_rows: (question, prefix) => rows(question, prefix, radio),
  constant_sum: (question, prefix) => rows(question, prefix, text),
};
