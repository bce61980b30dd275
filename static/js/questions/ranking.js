// <pv-ranking>: two lists in front of the selects that are posted: what is placed, best first, and what is not placed
// yet. Things are placed and moved by buttons, by keys and by dragging; each move is said by a status line and the
// focus stays on what moved.

import { button, changed, filledIn, made, say, statusLine } from "./making.js";

class Ranking extends HTMLElement {
  connectedCallback() {
    if (this.items) return;
    this.items = new Map();
    for (const row of this.querySelectorAll("[data-row]")) this.items.set(row.dataset.row, this.dressed(row));
    this.read();
    this.build();
    this.draw();
    this.addEventListener("keydown", (event) => this.key(event));
  }

  // -- what stands where: `groups` from the best on, level ones together; `leftOut` cannot be ranked -------------------
  read() {
    const places = new Map();
    this.leftOut = new Set();
    for (const [slot, { select }] of this.items) {
      if (select.value && select.value === this.dataset.leftOut) this.leftOut.add(slot);
      else if (select.value) places.set(slot, Number(select.value));
    }
    const used = [...new Set(places.values())].sort((one, two) => one - two);
    this.groups = used.map((place) => [...places.keys()].filter((slot) => places.get(slot) === place));
  }

  at = (slot) => this.groups.findIndex((group) => group.includes(slot));

  placed = () => this.groups.flat();

  takeFrom(slot) {
    this.leftOut.delete(slot);
    this.groups = this.groups.map((group) => group.filter((other) => other !== slot)).filter((group) => group.length);
  }

  // into a place of its own, before the group that has that number now
  insert(slot, index) {
    const marker = this.groups[index]?.find((other) => other !== slot);
    this.takeFrom(slot);
    const before = marker ? this.at(marker) : this.groups.length;
    this.groups.splice(before, 0, [slot]);
  }

  isFull(slot) {
    const top = Number(this.dataset.top);
    return Boolean(top) && this.at(slot) < 0 && this.placed().length >= top;
  }

  // -- what people do ------------------------------------------------------------------------------------------------
  place(slot) {
    if (this.isFull(slot)) return this.say(slot, this.dataset.saidFull);
    this.insert(slot, this.groups.length);
    this.moved(slot, "up");
  }

  up(slot) {
    const index = this.at(slot);
    if (this.groups[index].length > 1) this.insert(slot, index);
    else if (index > 0) this.insert(slot, index - 1);
    else return this.say(slot, this.dataset.saidAtEnd);
    this.moved(slot, "up");
  }

  down(slot) {
    const index = this.at(slot);
    if (this.groups[index].length > 1) this.insert(slot, index + 1);
    else if (index < this.groups.length - 1) this.insert(slot, index + 2);
    else return this.say(slot, this.dataset.saidAtEnd);
    this.moved(slot, "down");
  }

  level(slot) {
    const index = this.at(slot);
    const group = this.groups[index];
    if (group.length > 1 && group[0] !== slot) {
      this.insert(slot, index + 1);
    } else if (index > 0) {
      this.join(slot, this.groups[index - 1][0]);
    } else {
      return this.say(slot, this.dataset.saidAtEnd);
    }
    this.moved(slot, "level");
  }

  join(slot, other) {
    this.takeFrom(slot);
    this.groups[this.at(other)].push(slot);
  }

  takeOut(slot) {
    this.takeFrom(slot);
    this.moved(slot, "place");
  }

  cannot(slot) {
    const out = !this.leftOut.has(slot);
    this.takeFrom(slot);
    if (out) this.leftOut.add(slot);
    this.moved(slot, "cannot");
  }

  key(event) {
    const slot = event.target.closest("[data-row]")?.dataset.row;
    if (!slot || event.ctrlKey || event.metaKey || event.altKey) return;
    const isPlaced = this.at(slot) >= 0;
    const keys = isPlaced
      ? { ArrowUp: "up", ArrowDown: "down", Delete: "takeOut", Backspace: "takeOut" }
      : { ArrowUp: "place" };
    if (isPlaced && this.dataset.ties) keys["="] = "level";
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    this[keys[event.key]](slot);
  }

  // -- showing it ----------------------------------------------------------------------------------------------------
  dressed(row) {
    const [slot, name] = [row.dataset.row, row.dataset.name];
    const select = row.querySelector("select");
    const item = { row, name, select, entry: made("li", "ranking-item"), buttons: {} };
    item.place = made("span", "ranking-place");
    item.place.setAttribute("aria-hidden", "true");
    item.phrase = made("span", "visually-hidden");
    item.handle = made("span", "ranking-handle", "⠿");
    item.handle.setAttribute("aria-hidden", "true");
    item.handle.addEventListener("pointerdown", (event) => this.drag(event, slot));
    const label = row.querySelector(".ranking-name");
    const plain = made("span", "ranking-name");
    plain.append(...label.childNodes);
    label.replaceWith(item.handle, item.place, plain, item.phrase);
    const actions = made("span", "ranking-actions");
    const offer = (key, words, short, act) => 
      actions.append((item.buttons[key] = button(short, act, filledIn(words, { name }))));
    offer("place", this.dataset.place, this.dataset.placeShort, () => this.place(slot));
    offer("up", this.dataset.up, "↑", () => this.up(slot));
    offer("down", this.dataset.down, "↓", () => this.down(slot));
    if (this.dataset.ties) offer("level", this.dataset.level, this.dataset.levelShort, () => this.level(slot));
    offer("takeOut", this.dataset.takeOut, this.dataset.takeOutShort, () => this.takeOut(slot));
    if (this.dataset.leftOut) offer("cannot", this.dataset.cannot, this.dataset.cannotShort, () => this.cannot(slot));
    row.append(actions);
    select.hidden = true;
    // the field's id, and with it every link to its error, belongs to what people use
    row.id = select.id;
    row.tabIndex = -1;
    select.removeAttribute("id");
    item.entry.append(row);
    return item;
  }

  build() {
    const lists = { placed: "ol", open: "ul" };
    for (const [key, tag] of Object.entries(lists)) {
      const heading = made("p", "ranking-heading", this.dataset[key === "placed" ? "headingPlaced" : "headingOpen"]);
      heading.id = `${this.closest("[data-question]").dataset.question}--${key}`;
      this[`${key}List`] = made(tag, `ranking-list ranking-${key}`);
      this[`${key}List`].setAttribute("role", "list");
      this[`${key}List`].setAttribute("aria-labelledby", heading.id);
      this[`${key}Heading`] = heading;
      this.append(heading, this[`${key}List`]);
    }
    this.nothing = made("p", "ranking-nothing", this.dataset.empty);
    this.placedHeading.after(this.nothing);
    this.status = statusLine();
    this.append(made("p", "help ranking-keys", this.dataset.keys), this.status);
    this.classList.add("is-scripted");
  }

  draw() {
    const placed = this.placed();
    for (const slot of placed) this.placedList.append(this.items.get(slot).entry);
    for (const [slot, item] of this.items) {
      if (!placed.includes(slot)) this.openList.append(item.entry);
      this.drawItem(slot, item);
    }
    this.nothing.hidden = placed.length > 0;
    this.openHeading.hidden = this.openList.hidden = placed.length === this.items.size;
    this.placedList.hidden = placed.length === 0;
  }

  drawItem(slot, item) {
    const index = this.at(slot);
    const below = index >= 0 && this.groups[index][0] !== slot;
    item.place.textContent = index < 0 ? "" : below ? "=" : `${index + 1}`;
    item.phrase.textContent = this.phrase(slot);
    item.entry.classList.toggle("is-level", below);
    item.entry.classList.toggle("is-left-out", this.leftOut.has(slot));
    for (const [key, button] of Object.entries(item.buttons)) {
      button.hidden = key === "cannot" || key === "place" ? index >= 0 : index < 0;
    }
    item.buttons.place.hidden ||= this.leftOut.has(slot);
    item.buttons.level?.setAttribute("aria-pressed", String(below));
    item.buttons.cannot?.setAttribute("aria-pressed", String(this.leftOut.has(slot)));
  }

  phrase(slot) {
    if (this.leftOut.has(slot)) return this.dataset.saidLeftOut;
    const index = this.at(slot);
    if (index < 0) return this.dataset.saidOpen;
    const place = filledIn(this.dataset.saidPlaced, { place: index + 1, count: this.groups.length });
    const others = this.groups[index].filter((other) => other !== slot).map((other) => this.items.get(other).name);
    return others.length ? `${place}, ${filledIn(this.dataset.saidLevel, { others: others.join(", ") })}` : place;
  }

  say(slot, words) {
    say(this.status, `${this.items.get(slot).name}: ${words}`);
  }

  moved(slot, focus) {
    this.draw();
    const { buttons, row } = this.items.get(slot);
    const first = Object.values(buttons).find((button) => !button.hidden);
    (buttons[focus] && !buttons[focus].hidden ? buttons[focus] : first).focus();
    row.scrollIntoView({ block: "nearest" });
    this.say(slot, this.phrase(slot));
    for (const [one, { select }] of this.items) {
      const index = this.at(one);
      select.value = this.leftOut.has(one) ? this.dataset.leftOut : index < 0 ? "" : String(index + 1);
    }
    changed(this.items.get(slot).select);
  }

  // -- dragging: nothing moves before it is let go, so that the pointer keeps what it holds ------------------------------
  drag(event, slot) {
    if (event.button) return;
    event.preventDefault();
    const { handle, entry } = this.items.get(slot);
    handle.setPointerCapture(event.pointerId);
    entry.classList.add("is-dragged");
    let target = null;
    const follow = (move) => {
      entry.style.translate = `0 ${move.clientY - event.clientY}px`;
      this.mark((target = this.targetAt(move.clientY, slot)));
    };
    const end = (last) => {
      handle.removeEventListener("pointermove", follow);
      handle.removeEventListener("pointerup", end);
      handle.removeEventListener("pointercancel", end);
      entry.classList.remove("is-dragged");
      entry.style.translate = "";
      this.mark(null);
      if (last.type === "pointerup" && target) this.drop(slot, target);
    };
    handle.addEventListener("pointermove", follow);
    handle.addEventListener("pointerup", end);
    handle.addEventListener("pointercancel", end);
  }

  // beside which item it would land, and how: before it, level with it, after it, or out of the ranking
  targetAt(y, slot) {
    const others = this.placed().filter((other) => other !== slot);
    if (!this.openList.hidden && y > this.openHeading.getBoundingClientRect().bottom) return { how: "out" };
    for (const other of others) {
      const box = this.items.get(other).entry.getBoundingClientRect();
      const share = (y - box.top) / box.height;
      if (share < (this.dataset.ties ? 0.3 : 0.5)) return { how: "before", other };
      if (this.dataset.ties && share <= 0.7) return { how: "level", other };
    }
    return others.length ? { how: "after", other: others.at(-1) } : { how: "alone" };
  }

  mark(target) {
    for (const { entry } of this.items.values()) entry.classList.remove("drop-before", "drop-level", "drop-after");
    if (target?.other) this.items.get(target.other).entry.classList.add(`drop-${target.how}`);
  }

  drop(slot, { how, other }) {
    if (how === "out") return this.at(slot) < 0 ? undefined : this.takeOut(slot);
    if (this.isFull(slot)) return this.say(slot, this.dataset.saidFull);
    if (how === "level") this.join(slot, other);
    else this.insert(slot, how === "before" ? this.at(other) : this.groups.length);
    this.moved(slot, "up");
  }
}

customElements.define("pv-ranking", Ranking);
