/** <save-state>: says whether what was typed is saved, tries again when the line is down, and lets nobody leave too early. */
class SaveState extends HTMLElement {
  connectedCallback() {
    if (this.form) return;
    this.form = document.getElementById("compose");
    this.typed = 0;
    this.saved = 0;
    this.waits_s = 1;
    this.form.addEventListener("input", () => this.#typing());
    this.form.addEventListener("htmx:configRequest", (event) => this.#configure(event));
    this.form.addEventListener("htmx:beforeRequest", () => this.#begin());
    this.form.addEventListener("htmx:afterRequest", (event) => this.#end(event.detail));
    document.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("click", (event) => this.#leave(event));
    window.addEventListener("beforeunload", (event) => this.isDirty && event.preventDefault());
  }

  get isDirty() {
    return this.typed > this.saved;
  }

  #typing() {
    this.typed += 1;
    this.textContent = this.dataset.typing;
  }

  /** A step belongs to the click that asked for it, never to a save that happens to follow. */
  #configure(event) {
    const { detail } = event;
    const button = detail.triggeringEvent?.type === "submit" ? detail.triggeringEvent.submitter : null;
    delete detail.parameters.do;
    if (button?.name) detail.parameters[button.name] = button.value;
    detail.path = button?.getAttribute("formaction") ?? this.form.getAttribute("hx-post");
  }

  #begin() {
    clearTimeout(this.timer);
    this.sending = this.typed;
    this.textContent = this.dataset.saving;
  }

  #end({ xhr, pathInfo }) {
    const elsewhere = pathInfo.responsePath && !pathInfo.responsePath.includes("/issues/");
    if (xhr.status >= 200 && xhr.status < 300 && !elsewhere) return this.#done();
    if (xhr.status === 409 || xhr.status === 422) return this.#refused();
    this.next = undefined;
    if (elsewhere || xhr.status === 403) {
      this.textContent = this.dataset.loggedOut;
      return;
    }
    this.textContent = this.dataset.failed;
    this.waits_s = Math.min(this.waits_s * 2, 30);
    this.timer = setTimeout(() => window.htmx.trigger(this.form, "save-now"), this.waits_s * 1000);
  }

  #done() {
    this.saved = this.sending;
    this.waits_s = 1;
    if (this.isDirty) this.textContent = this.dataset.typing;
    else if (this.next) window.location.assign(this.next);
    else requestAnimationFrame(() => this.#focus());
  }

  /** After a step the keyboard goes where the eye goes: to the block that was added or moved up in place of a removed one. */
  #focus() {
    const blocks = document.getElementById("blocks");
    const card = document.getElementById(blocks.dataset.focus ?? "");
    delete blocks.dataset.focus;
    if (!card || document.activeElement.closest(".snip")) return;
    (card.querySelector("textarea, input:not([type=hidden])") ?? card).focus();
  }

  #refused() {
    this.next = undefined;
    const note = document.querySelector("#trouble [tabindex]");
    if (note?.getAttribute("role") === "alertdialog") note.focus();
  }

  #leave(event) {
    const link = event.target.closest?.("a[data-after-save], a[data-leave]");
    if (link?.hasAttribute("data-leave")) this.saved = this.typed;
    if (!link || !this.isDirty || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    this.next = link.href;
    window.htmx.trigger(this.form, "save-now");
  }

  #key(event) {
    const inText = event.target.matches?.("input, textarea, select");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !inText) {
      event.preventDefault();
      document.getElementById(event.shiftKey ? "redo-button" : "undo-button").click();
    }
    const card = event.target.closest?.(".snip");
    if (card && event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      document.getElementById(`${card.id}-${event.key === "ArrowUp" ? "up" : "down"}`).click();
    }
  }
}

if (!customElements.get("save-state")) customElements.define("save-state", SaveState);
