/** <busy-form>: for a form with a slow response. Shows its hidden note while waiting, and submits only once. */
class BusyForm extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", (event) => this.#send(event));
    window.addEventListener("pageshow", (event) => event.persisted && this.#rest());
  }

  #send(event) {
    if (this.isBusy) {
      event.preventDefault();
      return;
    }
    this.isBusy = true;
    this.querySelector("[hidden]")?.removeAttribute("hidden");
    this.setAttribute("aria-busy", "true");
  }

  /** The browser's way back shows the page as it was left. */
  #rest() {
    this.isBusy = false;
    this.querySelector("[role=status]")?.setAttribute("hidden", "");
    this.removeAttribute("aria-busy");
  }
}
if (!customElements.get("busy-form")) customElements.define("busy-form", BusyForm);
