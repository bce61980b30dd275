// What the larger questions build their controls with.

export const filledIn = (words, values) => words.replace(/%(\w+)/g, (whole, name) => values[name] ?? whole);

export function made(tag, className, words = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = words;
  return element;
}

export function button(words, act, name = words) {
  const element = made("button", "button button-quiet button-small", words);
  element.type = "button";
  if (name !== words) element.setAttribute("aria-label", name);
  element.addEventListener("click", act);
  return element;
}

// a line that screen readers say when it changes
export function statusLine() {
  const line = made("p", "visually-hidden");
  line.setAttribute("role", "status");
  return line;
}

// the same words twice are no change, and would not be said
export function say(line, words) {
  line.textContent = line.textContent === words ? `${words}\u00a0` : words;
}

export const changed = (control) => control.dispatchEvent(new Event("change", { bubbles: true }));
