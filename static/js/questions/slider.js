// <pv-slider>: a range input in front of the number field that is posted. The number field alone works without script;
// it is empty while the slider is untouched, so an untouched slider is no answer.
import { markTouched } from "./touched.js";

class Slider extends HTMLElement {
  connectedCallback() {
    if (this.range) return;
    this.range = this.querySelector('input[type="range"]');
    this.number = this.querySelector("input.slider-number");
    this.field = this.number.name;
    this.takeTheLabel();
    this.range.hidden = false;
    this.range.addEventListener("input", () => this.set());
    // a click on the handle where it stands changes nothing, and yet it is an answer
    this.range.addEventListener("click", () => this.set());
    this.range.addEventListener("keydown", (event) => {
      // Ctrl+Enter submits the form, it answers nothing
      if ((event.key === "Enter" || event.key === " ") && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        this.set();
      }
    });
    this.number.addEventListener("input", () => this.follow());
    this.describe();
  }

  // the field's id, and with it the visible label and every link to an error, belongs to what people use
  takeTheLabel() {
    this.number.removeAttribute("id");
    this.range.id = this.field;
    if (this.number.classList.contains("is-shown")) {
      const label = this.closest("[data-row], [data-question]")?.querySelector(`label[for="${CSS.escape(this.field)}"]`);
      this.number.setAttribute("aria-label", `${label?.textContent.trim() ?? ""} – ${this.dataset.numberLabel}`);
    } else {
      this.number.type = "hidden";
    }
  }

  set() {
    this.number.value = this.range.value;
    this.answered();
    this.number.dispatchEvent(new Event("change", { bubbles: true }));
  }

  follow() {
    if (this.number.value === "") {
      this.range.classList.add("untouched");
    } else {
      this.range.value = this.number.value;
      this.answered();
    }
    this.describe();
  }

  answered() {
    this.range.classList.remove("untouched");
    markTouched(this, this.field);
    this.describe();
  }

  describe() {
    if (this.range.classList.contains("untouched")) {
      this.range.setAttribute("aria-valuetext", this.dataset.untouched);
    } else {
      this.range.removeAttribute("aria-valuetext");
    }
  }
}

customElements.define("pv-slider", Slider);
