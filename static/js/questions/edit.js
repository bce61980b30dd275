// <pv-edit>: a way back to the original text.
import { button, changed, say, statusLine } from "./making.js";

class Edit extends HTMLElement {
  connectedCallback() {
    if (this.status) return;
    const text = this.querySelector("textarea");
    this.status = statusLine();
    this.back = button(this.dataset.reset, () => {
      text.value = this.dataset.original;
      changed(text);
      this.follow(text);
      text.focus();
      say(this.status, this.dataset.said);
    });
    text.addEventListener("input", () => this.follow(text));
    this.append(this.back, this.status);
    this.follow(text);
  }

  follow(text) {
    this.back.hidden = text.value === this.dataset.original;
  }
}

customElements.define("pv-edit", Edit);
