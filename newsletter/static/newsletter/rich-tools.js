/** <rich-tools>: the one bar of buttons for all <rich-text>, which comes to the block being written, and its two questions. */
class RichTools extends HTMLElement {
  connectedCallback() {
    if (this.bar) return;
    this.bar = this.querySelector("[role=toolbar]");
    this.linking = this.querySelector("#link-dialog");
    this.merging = this.querySelector("#merge-dialog");
    document.addEventListener("rich-focus", (event) => this.#come(event.target));
    document.addEventListener("rich-move", (event) => event.target === this.text && this.#show());
    document.addEventListener("rich-link", (event) => this.#come(event.target) || this.#ask("link"));
    document.addEventListener("focusin", (event) => this.#leave(event.target));
    document.addEventListener("keydown", (event) => this.#toBar(event));
    this.bar.addEventListener("mousedown", (event) => event.preventDefault());
    this.bar.addEventListener("click", (event) => this.#press(event.target.closest("button")));
    this.bar.addEventListener("keydown", (event) => this.#walk(event));
    this.linking.addEventListener("submit", (event) => this.#link(event));
    this.merging.addEventListener("submit", (event) => this.#merge(event));
  }

  get buttons() {
    return [...this.bar.querySelectorAll("button")];
  }

  #come(text) {
    this.text = text;
    const head = text.closest(".snip")?.querySelector(":scope > header .grow");
    if (head && head.nextElementSibling !== this.bar) head.after(this.bar);
    this.bar.hidden = !text.editor;
    this.#show();
  }

  #leave(target) {
    if (this.bar.hidden || this.text?.contains(target) || this.bar.contains(target) || target.closest("dialog")) return;
    this.bar.hidden = true;
    this.append(this.bar);
  }

  #show() {
    const editor = this.text?.editor;
    if (!editor) return;
    this.bar.hidden = false;
    for (const button of this.buttons) button.setAttribute("aria-pressed", editor.is(button.dataset.act));
  }

  #press(button) {
    if (!button) return;
    const act = button.dataset.act;
    act === "link" || act === "merge" ? this.#ask(act) : this.text.editor.act(act);
  }

  #ask(act) {
    const { editor } = this.text;
    const dialog = act === "link" ? this.linking : this.merging;
    const field = dialog.querySelector("input");
    field.value = act === "link" ? editor.href() : editor.fallback() || field.defaultValue;
    dialog.querySelector("[value=remove]")?.toggleAttribute("hidden", !editor.href());
    this.#fault(dialog, false);
    const { left, bottom } = this.bar.getBoundingClientRect();
    dialog.style.setProperty("--left", `${left}px`);
    dialog.style.setProperty("--top", `${bottom}px`);
    dialog.showModal();
    field.select();
  }

  #fault(dialog, isWrong) {
    dialog.querySelector("input").setAttribute("aria-invalid", isWrong);
    dialog.querySelector(".err").hidden = !isWrong;
  }

  #link(event) {
    if (event.submitter?.value === "remove") return this.text.editor.unlink();
    const href = this.text.address(this.linking.querySelector("input").value);
    this.#fault(this.linking, !href);
    if (!href) return event.preventDefault();
    const { editor } = this.text;
    editor.hasWords() ? editor.link(href) : editor.insertLink(href);
  }

  /** What is shown where no name is known must be there: without it the sentence would have a hole. */
  #merge(event) {
    const words = this.merging.querySelector("input").value.trim();
    this.#fault(this.merging, !words);
    if (!words) return event.preventDefault();
    this.text.editor.merge(words);
  }

  #toBar(event) {
    if (event.altKey && event.key === "F10" && !this.bar.hidden) this.buttons[0].focus();
  }

  #walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") this.text.editor.focus(this.text.editor.caret());
    if (!step) return;
    event.preventDefault();
    const { buttons } = this;
    buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length).focus();
  }
}

if (!customElements.get("rich-tools")) customElements.define("rich-tools", RichTools);
