// <pv-combobox>: a box to search a long <select>. The select stays in the form and is what is posted.
const SHORTEST = 12;

const folded = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase().trim();

let counter = 0;

class Combobox extends HTMLElement {
  connectedCallback() {
    if (this.select) return;
    this.select = this.querySelector("select");
    const options = [...this.select.options].filter((option) => option.value);
    if (options.length < SHORTEST) return;
    this.options = options.map((option) => ({ option, words: folded(option.label) }));
    this.build();
    this.listen();
    this.restore();
  }

  build() {
    const listId = `combobox-list-${(counter += 1)}`;
    this.input = document.createElement("input");
    Object.assign(this.input, { type: "text", id: this.select.id, autocomplete: "off", spellcheck: false });
    this.input.placeholder = this.select.options[0].label;
    const roles = {
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": listId,
    };
    for (const name of ["aria-describedby", "aria-invalid"]) {
      if (this.select.hasAttribute(name)) roles[name] = this.select.getAttribute(name);
    }
    for (const [name, value] of Object.entries(roles)) this.input.setAttribute(name, value);
    this.list = document.createElement("ul");
    Object.assign(this.list, { id: listId, hidden: true, className: "combobox-list" });
    this.list.setAttribute("role", "listbox");
    const label = document.querySelector(`label[for="${CSS.escape(this.select.id)}"]`);
    this.list.setAttribute("aria-label", label?.textContent.trim() ?? "");
    this.status = document.createElement("span");
    this.status.className = "visually-hidden";
    this.status.setAttribute("role", "status");
    this.select.removeAttribute("id");
    this.select.hidden = true;
    this.append(this.input, this.list, this.status);
  }

  listen() {
    this.input.addEventListener("input", () => this.open(this.input.value));
    this.input.addEventListener("click", () => this.open(""));
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => {
      this.close();
      this.leave();
    });
    // the list must not take the focus from the box before the click has arrived
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.choose(this.found[Number(row.dataset.index)]);
    });
    this.select.addEventListener("change", () => this.restore());
    this.select.form?.addEventListener("reset", () => setTimeout(() => this.restore()));
    new MutationObserver(() => {
      this.input.disabled = this.select.disabled;
    }).observe(this.select, { attributeFilter: ["disabled"] });
    this.input.disabled = this.select.disabled;
  }

  open(text) {
    const wanted = folded(text);
    const starts = this.options.filter(({ words }) => words.startsWith(wanted));
    const holds = this.options.filter(({ words }) => !words.startsWith(wanted) && words.includes(wanted));
    this.found = [...starts, ...holds].map(({ option }) => option);
    this.list.replaceChildren(...this.found.map((option, index) => this.row(option, index)));
    if (!this.found.length) this.list.append(this.nothing());
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    const chosen = this.found.indexOf(this.select.selectedOptions[0]);
    this.move(wanted ? (this.found.length ? 0 : -1) : chosen);
    this.status.textContent = this.found.length
      ? this.dataset.count.replace("%s", this.found.length)
      : this.dataset.empty;
  }

  row(option, index) {
    const row = document.createElement("li");
    row.id = `${this.list.id}-${index}`;
    row.dataset.index = index;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(option.selected));
    row.textContent = option.label;
    return row;
  }

  nothing() {
    const row = document.createElement("li");
    row.className = "combobox-empty";
    row.setAttribute("role", "presentation");
    row.textContent = this.dataset.empty;
    return row;
  }

  move(index) {
    this.active = index;
    for (const row of this.list.children) row.classList.toggle("is-active", row.id === `${this.list.id}-${index}`);
    const row = index >= 0 ? this.list.children[index] : null;
    if (row) {
      this.input.setAttribute("aria-activedescendant", row.id);
      row.scrollIntoView({ block: "nearest" });
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  key(event) {
    const last = (this.found?.length ?? 0) - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (this.list.hidden) this.open("");
      else if (event.key === "ArrowDown") this.move(Math.min(this.active + 1, last));
      else this.move(Math.max(this.active - 1, 0));
    } else if (event.key === "Enter" && !this.list.hidden) {
      event.preventDefault();
      if (this.active >= 0) this.choose(this.found[this.active]);
    } else if (event.key === "Escape" && !this.list.hidden) {
      event.preventDefault();
      this.close();
      this.restore();
    }
  }

  choose(option) {
    this.select.value = option.value;
    this.close();
    this.changed();
  }

  // what stands in the box is taken where it is a whole name; emptied it is no answer; anything else goes back
  leave() {
    const text = folded(this.input.value);
    const match = this.options.find(({ words }) => words === text);
    const value = match ? match.option.value : text ? this.select.value : "";
    if (value !== this.select.value) {
      this.select.value = value;
      this.changed();
    } else {
      this.restore();
    }
  }

  changed() {
    this.restore();
    this.select.dispatchEvent(new Event("change", { bubbles: true }));
  }

  restore() {
    this.input.value = this.select.value ? this.select.selectedOptions[0].label : "";
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.status.textContent = "";
  }
}

customElements.define("pv-combobox", Combobox);
