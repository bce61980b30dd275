// <pv-sum>: the running sum of a constant-sum question.

class Sum extends HTMLElement {
  connectedCallback() {
    this.addEventListener("input", () => this.add());
    this.add();
  }

  add() {
    const numbers = [...this.querySelectorAll("input[inputmode=numeric]")].map((input) => Number(input.value) || 0);
    const sum = numbers.reduce((one, two) => one + two, 0);
    this.querySelector("output").value = sum;
    this.classList.toggle("is-complete", sum === Number(this.dataset.total));
  }
}

customElements.define("pv-sum", Sum);
