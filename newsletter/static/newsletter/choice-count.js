/** <choice-count data-form data-name data-one data-several>: shows how many checkboxes of a form are ticked. */
class ChoiceCount extends HTMLElement {
  connectedCallback() {
    this.none = this.textContent;
    this.form = document.getElementById(this.dataset.form);
    document.addEventListener("change", () => this.#show());
    window.addEventListener("pageshow", () => this.#show());
    this.#show();
  }

  #show() {
    const ticked = [...this.form.elements].filter(
      (box) => box.name === this.dataset.name && box.checked && !box.disabled,
    ).length;
    const { one, several } = this.dataset;
    this.textContent = ticked === 0 ? this.none : ticked === 1 ? one : several.replace("{n}", String(ticked));
  }
}
if (!customElements.get("choice-count")) customElements.define("choice-count", ChoiceCount);
