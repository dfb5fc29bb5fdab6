/** <check-list>: a link to a block closes the checks if they cover the page. After a fix, the keyboard focus stays in the list. */
let isFixing = false;

class CheckList extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => this.#click(event));
    if (isFixing && this.closest("dialog:modal")) this.querySelector(".fix, a")?.focus();
    isFixing = false;
  }

  #click(event) {
    isFixing = Boolean(event.target.closest(".fix"));
    if (event.target.closest("a[href^='#']")) this.closest("dialog:modal")?.close();
  }
}

if (!customElements.get("check-list")) customElements.define("check-list", CheckList);
