// <pv-spans>: words are selected in the text and marked by a press. The rows with the words, their place and their mark
// stay in the form and are what is posted; offsets count code points, as the server's do.
import { button, changed, filledIn, made, say, statusLine } from "./making.js";

const SHOWN_CHARS = 40;
const codePoints = (text) => [...text].length;
const shortened = (text) => (text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS).trimEnd()}…` : text);

// where words start and end; languages without spaces have words, too
function wordsOf(text) {
  if (!Intl.Segmenter) return [...text.matchAll(/\S+/g)].map((found) => [found.index, found.index + found[0].length]);
  const parts = new Intl.Segmenter(document.documentElement.lang || "en", { granularity: "word" }).segment(text);
  return [...parts].filter((part) => part.isWordLike).map((part) => [part.index, part.index + part.segment.length]);
}

class Spans extends HTMLElement {
  connectedCallback() {
    if (this.texts) return;
    this.texts = new Map([...this.querySelectorAll(".span-text")].map((text) => [text.dataset.slot, text]));
    this.originals = new Map([...this.texts].map(([slot, text]) => [slot, text.textContent]));
    this.rows = this.querySelector(".span-rows");
    this.pattern = this.rows.firstElementChild.cloneNode(true);
    this.marks = this.querySelector(".span-marks");
    this.status = statusLine();
    this.selected = null;
    this.build();
    for (const row of [...this.rows.children]) this.dress(row);
    this.draw();
    this.watching = new AbortController();
    document.addEventListener("selectionchange", () => this.pointed(), { signal: this.watching.signal });
  }

  disconnectedCallback() {
    this.watching?.abort();
  }

  build() {
    const caption = made("p", "row-label", this.dataset.marks);
    caption.id = `${this.dataset.prefix}--marks`;
    this.marks.before(caption);
    this.marks.hidden = false;
    this.marks.setAttribute("role", "group");
    this.marks.setAttribute("aria-labelledby", caption.id);
    this.rows.setAttribute("role", "list");
    this.rows.setAttribute("aria-label", this.dataset.list);
    for (const mark of this.marks.querySelectorAll("button")) {
      // a press must not take the selection away
      mark.addEventListener("pointerdown", (event) => event.preventDefault());
      mark.addEventListener("click", () => this.mark(mark));
    }
    for (const [slot, text] of this.texts) text.addEventListener("keydown", (event) => this.key(event, slot));
    this.rows.addEventListener("change", (event) => {
      this.dress(event.target.closest("[data-row]"));
      this.draw();
    });
    this.append(made("p", "help", this.dataset.keys), this.status);
    this.classList.add("is-scripted");
  }

  // -- selecting -----------------------------------------------------------------------------------------------------
  // what was selected by pointer, or by a browser that moves a caret through texts
  pointed() {
    const selection = document.getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return;
    const range = selection.getRangeAt(0);
    for (const [slot, text] of this.texts) {
      if (!text.contains(range.startContainer) || !text.contains(range.endContainer)) continue;
      const before = document.createRange();
      before.selectNodeContents(text);
      before.setEnd(range.startContainer, range.startOffset);
      const start = before.toString().length;
      this.selected = this.trimmed(slot, start, start + range.toString().length);
    }
  }

  trimmed(slot, start, end) {
    const text = this.originals.get(slot);
    while (start < end && /\s/.test(text[start])) start += 1;
    while (end > start && /\s/.test(text[end - 1])) end -= 1;
    return start < end ? { slot, start, end } : null;
  }

  key(event, slot) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this.marks.querySelector("button").focus();
    } else if (/^[1-9]$/.test(event.key)) {
      const mark = this.marks.querySelectorAll("button")[Number(event.key) - 1];
      if (mark) this.mark(mark);
      event.stopPropagation();
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      const onward = getComputedStyle(event.currentTarget).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
      this.step(slot, [onward, "ArrowDown"].includes(event.key) ? 1 : -1, event.shiftKey);
    }
  }

  // one word on or back; with Shift the end moves and the start stays
  step(slot, by, more) {
    const words = wordsOf(this.originals.get(slot));
    if (!words.length) return;
    const at = this.selected?.slot === slot ? this.selected : null;
    const first = at ? words.findIndex(([, end]) => end > at.start) : -1;
    const last = at ? words.findLastIndex(([start]) => start < at.end) : -1;
    const limit = (index) => Math.min(Math.max(index, 0), words.length - 1);
    const from = more && at ? first : limit(at ? (by > 0 ? last : first) + by : 0);
    const to = more && at ? Math.max(limit(last + by), first) : from;
    this.select({ slot, start: words[from][0], end: words[to][1] });
  }

  select(range) {
    const text = this.texts.get(range.slot);
    const [start, end] = [this.pointAt(text, range.start), this.pointAt(text, range.end)];
    document.getSelection().setBaseAndExtent(start.node, start.offset, end.node, end.offset);
    this.selected = range;
    say(this.status, filledIn(this.dataset.saidSelected, { quote: this.quoteOf(range) }));
  }

  pointAt(text, offset) {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    let node = walker.nextNode();
    while (node && offset > node.length) {
      offset -= node.length;
      node = walker.nextNode();
    }
    return { node: node ?? text, offset };
  }

  quoteOf = ({ slot, start, end }) => this.originals.get(slot).slice(start, end);

  // -- marking -------------------------------------------------------------------------------------------------------
  part = (row, name) => row.querySelector(`[name$="-${name}"]`);

  filled = () => [...this.rows.children].filter((row) => this.part(row, "quote").value.trim());

  mark({ dataset, textContent: label }) {
    if (!this.selected) return say(this.status, this.dataset.saidNothing);
    const row = this.freeRow();
    if (!row) return say(this.status, this.dataset.saidFull);
    const { slot, start } = this.selected;
    const quote = this.quoteOf(this.selected);
    const values = { slot, quote, start: codePoints(this.originals.get(slot).slice(0, start)), ...dataset };
    for (const name of ["slot", "quote", "start", "category", "polarity"]) {
      const control = this.part(row, name);
      if (control) control.value = values[name];
    }
    this.selected = null;
    say(this.status, filledIn(this.dataset.saidMarked, { quote: shortened(quote), label: label.trim() }));
    changed(this.part(row, "quote"));
  }

  // an empty row: one that is there, or a copy under the first free number
  freeRow() {
    const there = [...this.rows.children].find((row) => !this.part(row, "quote").value.trim());
    if (there) return there;
    const taken = new Set([...this.rows.children].map((row) => row.dataset.row));
    const numbers = Array.from({ length: Number(this.dataset.most) }, (_, index) => String(index + 1));
    const number = numbers.find((one) => !taken.has(one));
    if (!number) return null;
    const row = this.pattern.cloneNode(true);
    const [old, fresh] = [`${this.dataset.prefix}-${row.dataset.row}`, `${this.dataset.prefix}-${number}`];
    row.dataset.row = number;
    row.id = fresh;
    row.classList.remove("has-error");
    row.querySelector(".field-error")?.remove();
    for (const control of row.querySelectorAll("[name]")) {
      control.name = control.name.replace(old, fresh);
      if (control.id) control.id = control.id.replace(old, fresh);
      control.value = "";
    }
    this.rows.append(row);
    return row;
  }

  // a mark as a line with its words; what it posts is hidden, except where the server found a mistake in it
  dress(row) {
    const quote = this.part(row, "quote").value.trim();
    row.querySelector(".span-line")?.remove();
    row.setAttribute("role", "listitem");
    row.hidden = !quote;
    row.querySelector(".span-fields").hidden = !row.classList.contains("has-error");
    if (!quote) return;
    const [category, polarity] = ["category", "polarity"].map((name) => this.part(row, name)?.selectedOptions[0]);
    const words = [category, polarity].map((option) => option?.value && option.label).filter(Boolean);
    const slot = this.part(row, "slot")?.value;
    const line = made("div", "span-line");
    const text = made("q", "span-quote", shortened(quote));
    text.dir = "auto";
    const named = filledIn(this.dataset.remove, { quote: shortened(quote) });
    const remove = button(this.dataset.removeShort, () => this.remove(row, quote), named);
    line.append(text, made("span", "span-what", [slot, ...words].filter(Boolean).join(" · ")), remove);
    row.append(line);
  }

  remove(row, quote) {
    for (const control of row.querySelectorAll("[name]")) control.value = "";
    changed(this.part(row, "quote"));
    const next = this.filled().at(-1)?.querySelector(".span-line button") ?? this.texts.values().next().value;
    next.focus();
    say(this.status, filledIn(this.dataset.saidRemoved, { quote: shortened(quote) }));
  }

  // the texts with what is marked in them
  draw() {
    const found = this.filled().map((row) => this.placed(row)).filter(Boolean);
    for (const [slot, text] of this.texts) {
      const original = this.originals.get(slot);
      const own = found.filter((mark) => mark.slot === slot);
      const edges = [...new Set([0, original.length, ...own.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
      const pieces = edges.slice(1).map((end, index) => {
        const over = own.filter((mark) => mark.start < end && mark.end > edges[index]);
        const words = original.slice(edges[index], end);
        if (!over.length) return document.createTextNode(words);
        return made("mark", `span-mark span-${over.at(-1).polarity || "plain"}`, words);
      });
      text.replaceChildren(...pieces);
    }
  }

  placed(row) {
    const slot = this.part(row, "slot")?.value || (this.texts.size === 1 ? this.texts.keys().next().value : "");
    const original = this.originals.get(slot);
    const quote = this.part(row, "quote").value.trim();
    if (original === undefined) return null;
    const near = this.part(row, "start").value;
    const start = near === "" ? original.indexOf(quote) : [...original].slice(0, Number(near)).join("").length;
    return start < 0 ? null : { slot, start, end: start + quote.length, polarity: this.part(row, "polarity")?.value };
  }
}

customElements.define("pv-spans", Spans);
