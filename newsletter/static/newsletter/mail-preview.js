/** <mail-preview>: shows the mail anew after each save and for each choice of look, without flicker or jump. */
class MailPreview extends HTMLElement {
  connectedCallback() {
    if (this.form) return;
    this.form = this.querySelector("form");
    this.front = this.querySelector("iframe");
    this.back = this.front.cloneNode();
    this.back.removeAttribute("name");
    this.back.removeAttribute("src");
    this.back.classList.add("back");
    this.front.after(this.back);
    this.front.addEventListener("load", () => this.#loaded(this.front));
    this.back.addEventListener("load", () => this.#loaded(this.back));
    this.form.addEventListener("change", (event) => event.target.name !== "width" && this.#load());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    document.body.addEventListener("preview-stale", () => this.#load());
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
    this.back.contentWindow.scrollTo(0, this.front.contentWindow.scrollY);
    [this.front, this.back] = [this.back, this.front];
    this.front.classList.remove("back");
    this.back.classList.add("back");
  }
}

if (!customElements.get("mail-preview")) customElements.define("mail-preview", MailPreview);
