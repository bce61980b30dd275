// <pv-tree>: a box to search a tree of labels. Branches with something that fits open; without script all can be opened
// by hand.
import { filledIn, made, say, statusLine } from "./making.js";

const SHORTEST = 12;
const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase().trim();

class Tree extends HTMLElement {
  connectedCallback() {
    if (this.search) return;
    this.items = [...this.querySelectorAll("li[data-label]")];
    if (this.items.length < SHORTEST) return;
    this.search = made("input", "tree-search");
    this.search.type = "search";
    this.search.autocomplete = "off";
    this.search.placeholder = this.dataset.search;
    this.search.setAttribute("aria-label", this.dataset.search);
    this.status = statusLine();
    this.status.className = "small muted tree-found";
    this.prepend(this.search, this.status);
    this.search.addEventListener("input", () => this.find(folded(this.search.value)));
    // the search is no part of the answer
    this.search.addEventListener("change", (event) => event.stopPropagation());
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) event.preventDefault();
    });
  }

  find(words) {
    let found = 0;
    for (const item of this.items) item.hidden = Boolean(words);
    for (const item of this.items) {
      const branch = item.querySelector(":scope > details");
      const fits = words && folded(item.dataset.label).includes(words);
      if (!words && branch) branch.open = Boolean(branch.querySelector("input:checked"));
      if (!fits) continue;
      found += 1;
      for (const below of item.querySelectorAll("li[data-label]")) below.hidden = false;
      for (let above = item; above && this.contains(above); above = above.parentElement.closest("li[data-label]")) {
        above.hidden = false;
        const opened = above.querySelector(":scope > details");
        if (opened && above !== item) opened.open = true;
      }
    }
    say(this.status, !words ? "" : found ? filledIn(this.dataset.found, { s: found }) : this.dataset.none);
  }
}

customElements.define("pv-tree", Tree);
