/** <save-state>: says whether what was typed is saved, saves it again when the line is down, and lets nobody leave too early. */
class SaveState extends HTMLElement {
  connectedCallback() {
    if (this.form) return;
    this.form = document.getElementById("compose");
    this.words = document.querySelector("kept-words");
    // The server knows a page by this, and the turns of a page by their number: see newsletter/studio/composer/save_tokens.py
    this.page = crypto.randomUUID();
    Object.assign(this, { turn: 0, typed: 0, saved: 0, waits_s: 1 });
    for (const name of ["input", "reorder"]) this.form.addEventListener(name, () => this.#typing());
    this.form.addEventListener("htmx:configRequest", (event) => this.#configure(event));
    this.form.addEventListener("htmx:beforeRequest", ({ detail }) => this.#isSave(detail) && this.#begin());
    this.form.addEventListener("htmx:beforeSwap", ({ detail }) => this.words.lift(this.#isSave(detail) && this.sent));
    this.form.addEventListener("htmx:afterRequest", ({ detail }) => (this.#isSave(detail) ? this.#end(detail) : this.words.settle()));
    document.addEventListener("click", (event) => this.#leave(event, event.target.closest?.("a[data-after-save]")));
    document.addEventListener("submit", (event) => this.#leave(event, event.target.closest("form[data-after-save]")));
    window.addEventListener("online", () => Object.assign(this, { waits_s: 1 }).isDirty && this.#save()); // said early: the next try must be near
    window.addEventListener("beforeunload", (event) => this.isDirty && !this.hasLeft && event.preventDefault());
    document.addEventListener("click", (event) => (this.hasLeft ||= Boolean(event.target.closest?.("[data-leave]"))));
    this.#refused();
  }

  get isDirty() {
    return this.typed > this.saved;
  }

  get conflict() {
    return document.querySelector("#conflict");
  }

  #typing() {
    this.typed += 1;
    if (this.conflict) return this.words.keep();
    this.textContent = this.dataset.typing;
    this.words.keep();
  }

  #save() {
    window.htmx.trigger(this.form, "save-now");
  }

  /** A picture goes to the server from within the form as well. */
  #isSave(detail) {
    return detail.requestConfig.elt === this.form;
  }

  /** A step belongs to the click that asked for it, never to a save that happens to follow. */
  #configure(event) {
    const { detail } = event;
    if (detail.elt !== this.form) return this.#turn(detail);
    const button = detail.triggeringEvent?.type === "submit" ? detail.triggeringEvent.submitter : null;
    const decides = button?.hasAttribute("data-decides");
    if (this.conflict && !decides) return event.preventDefault() ?? (button && this.#refused());
    if (!button && !this.isDirty) return event.preventDefault();
    delete detail.parameters.do;
    if (button?.name) detail.parameters[button.name] = button.value;
    detail.path = button?.getAttribute("formaction") ?? this.form.getAttribute("hx-post");
    this.#turn(detail);
  }

  #turn({ parameters }) {
    this.turn += 1;
    Object.assign(parameters, { page: this.page, turn: this.turn });
  }

  #begin() {
    clearTimeout(this.timer);
    this.sending = this.typed;
    this.sent = this.words.now();
    this.textContent = this.dataset.saving;
  }

  #end({ xhr, pathInfo }) {
    const elsewhere = pathInfo.responsePath && !pathInfo.responsePath.includes("/issues/");
    if (xhr.status >= 200 && xhr.status < 300 && !elsewhere) return this.#done();
    if (xhr.status === 409 || xhr.status === 422) return this.#refused();
    this.next = undefined;
    const isOut = elsewhere || xhr.status === 403;
    this.textContent = isOut ? this.dataset.loggedOut : this.dataset.failed;
    if (isOut) return;
    this.typed += this.isDirty ? 0 : 1;
    this.waits_s = Math.min(this.waits_s * 2, 30);
    this.timer = setTimeout(() => this.#save(), this.waits_s * 1000);
  }

  #done() {
    this.saved = this.sending;
    this.waits_s = 1;
    this.words.settle(this.sent);
    if (this.isDirty) this.textContent = this.dataset.typing;
    else if (this.next) this.next();
    else requestAnimationFrame(() => this.#focus());
  }

  /** After a step the keyboard goes where the eye goes: to the block that was added or moved up in place of a removed one. */
  #focus() {
    const blocks = document.getElementById("blocks");
    const card = document.getElementById(blocks.dataset.focus ?? "");
    delete blocks.dataset.focus;
    if (!card || document.activeElement?.closest(".snip")) return;
    (card.querySelector("textarea:not([hidden]), rich-text, input:not([type=hidden])") ?? card).focus();
  }

  #refused() {
    this.next = undefined;
    if (!this.conflict?.isConnected) return;
    this.conflict.close();
    this.conflict.showModal();
  }

  #leave(event, way) {
    if (!way || !this.isDirty || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    if (this.conflict) return this.#refused();
    this.next = () => (way.href ? window.location.assign(way.href) : way.requestSubmit());
    this.#save();
  }
}

if (!customElements.get("save-state")) customElements.define("save-state", SaveState);
