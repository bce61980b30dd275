// <pv-extract>: sentences are chosen by a press, in the order of the presses. The boxes with the places stay in the form
// and are what is posted.
import { button, changed, filledIn, made, say, statusLine } from "./making.js";

class Extract extends HTMLElement {
  connectedCallback() {
    if (this.rows) return;
    this.rows = new Map([...this.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, this.dressed(row)]));
    const placed = [...this.rows].filter(([, { place }]) => Number(place.value) > 0);
    this.chosen = placed.sort(([, one], [, two]) => one.place.value - two.place.value).map(([key]) => key);
    this.status = statusLine();
    this.querySelector(".extract-help")?.remove();
    this.append(this.status);
    this.classList.add("is-scripted");
    this.draw();
  }

  dressed(row) {
    const place = row.querySelector("input");
    const label = row.querySelector("label");
    const pick = made("button", "extract-pick");
    const badge = made("span", "extract-badge");
    const sentence = made("span", "extract-sentence", label.textContent);
    sentence.dir = "auto";
    pick.type = "button";
    pick.id = place.id;
    place.removeAttribute("id");
    place.hidden = true;
    pick.append(badge, sentence);
    pick.addEventListener("click", () => this.toggle(row.dataset.row));
    label.replaceWith(pick);
    const named = (words) => `${words}: ${label.textContent}`;
    const earlier = button("↑", () => this.move(row.dataset.row, -1), named(this.dataset.earlier));
    const later = button("↓", () => this.move(row.dataset.row, 1), named(this.dataset.later));
    row.append(earlier, later);
    return { row, place, pick, badge, moves: [earlier, later] };
  }

  toggle(key) {
    const out = this.chosen.includes(key);
    this.chosen = out ? this.chosen.filter((other) => other !== key) : [...this.chosen, key];
    this.changed(key);
  }

  move(key, by) {
    const from = this.chosen.indexOf(key);
    const to = Math.min(Math.max(from + by, 0), this.chosen.length - 1);
    this.chosen.splice(from, 1);
    this.chosen.splice(to, 0, key);
    this.changed(key);
  }

  changed(key) {
    this.draw();
    const place = this.chosen.indexOf(key) + 1;
    say(this.status, place ? filledIn(this.dataset.said, { place }) : this.dataset.saidOut);
    changed(this.rows.get(key).place);
  }

  draw() {
    for (const [key, { place, pick, badge, moves }] of this.rows) {
      const number = this.chosen.indexOf(key) + 1;
      place.value = number || "";
      badge.textContent = number || "";
      pick.setAttribute("aria-pressed", String(number > 0));
      for (const move of moves) move.hidden = !number || this.chosen.length < 2;
    }
  }
}

customElements.define("pv-extract", Extract);
