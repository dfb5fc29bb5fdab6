/** <mail-preview>: shows the mail anew after each save and for each choice of look, without flicker, at the block being written. */
class MailPreview extends HTMLElement {
  connectedCallback() {
    if (this.form) return;
    this.form = this.querySelector("form");
    this.front = this.querySelector("iframe");
    this.back = this.front.cloneNode();
    for (const name of ["name", "src"]) this.back.removeAttribute(name);
    this.back.classList.add("back");
    this.back.tabIndex = -1;
    this.front.after(this.back);
    for (const frame of [this.front, this.back]) frame.addEventListener("load", () => this.#loaded(frame));
    this.form.addEventListener("change", (event) => event.target.name !== "width" && this.#load());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    document.body.addEventListener("preview-stale", () => this.#load());
    document.addEventListener("focusin", (event) => this.#look(event.target.closest?.(".snip, .envelope")));
  }

  #load() {
    const query = new URLSearchParams(new FormData(this.form));
    query.delete("width");
    this.isLoading = true;
    this.back.contentWindow.location.replace(`${this.form.action}?${query}`);
  }

  #loaded(frame) {
    if (!this.isLoading || frame !== this.back) return;
    this.isLoading = false;
    if (!frame.contentDocument) return; // the browser's own page of an error: what was shown stays
    this.back.contentWindow.scrollTo(0, this.front.contentWindow.scrollY);
    this.#show(this.back, "instant");
    [this.front, this.back] = [this.back, this.front];
    this.front.classList.remove("back");
    this.front.removeAttribute("tabindex");
    this.back.classList.add("back");
    this.back.tabIndex = -1;
  }

  #look(card) {
    if (!card || card.id === this.block) return;
    this.block = card.id;
    this.#show(this.front, matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth");
  }

  /** By scrollTo alone: scrollIntoView would move the studio as well. Stays put where the block can be seen whole. */
  #show(frame, behavior) {
    const { contentWindow: view, contentDocument: mail } = frame;
    const shown = mail.querySelector(`.blk-${CSS.escape(this.block || "none")}`)?.getBoundingClientRect();
    if (this.block === "envelope") return view.scrollTo({ top: 0, behavior });
    if (!shown || (shown.top >= 0 && shown.bottom <= view.innerHeight)) return;
    view.scrollTo({ top: view.scrollY + shown.top - Math.max(16, (view.innerHeight - shown.height) / 3), behavior });
  }
}

if (!customElements.get("mail-preview")) customElements.define("mail-preview", MailPreview);
