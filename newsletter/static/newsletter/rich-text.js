/** <rich-text>: the words of its textarea as they will look. The textarea stays the field, and the way without script. */
class RichText extends HTMLElement {
  static #tools;
  static #watcher = new IntersectionObserver(
    (seen) => seen.forEach((entry) => entry.isIntersecting && entry.target.start()),
    { rootMargin: "300px" },
  );

  connectedCallback() {
    if (this.area) return;
    this.area = this.querySelector("textarea");
    this.host = document.createElement("div");
    this.host.className = "input words";
    this.host.tabIndex = 0;
    for (const [name, value] of Object.entries(this.#attributes())) this.host.setAttribute(name, value);
    this.host.innerHTML = this.dataset.html;
    this.toggleAttribute("data-empty", !this.host.textContent);
    this.host.addEventListener("focus", () => this.editor || this.focus());
    this.host.addEventListener("focusin", () => this.#tell("rich-focus"));
    // What the browser says of its own typing comes too early; the editor's own word follows.
    this.host.addEventListener("input", (event) => event.stopPropagation() ?? (this.editor || this.#early()));
    this.area.removeAttribute("id");
    this.area.hidden = true;
    this.append(this.host);
    this.parentElement.querySelector("label")?.addEventListener("click", () => this.focus());
    RichText.#watcher.observe(this);
  }

  disconnectedCallback() {
    // A card that is moved comes back at once.
    queueMicrotask(() => this.isConnected || this.editor?.destroy());
  }

  /** At once where another one has fetched the editor already: nobody's next key may fall between. */
  start() {
    RichText.#watcher.unobserve(this);
    if (RichText.#tools && !this.starting) this.#mount(RichText.#tools);
    this.starting ??= this.editor ? Promise.resolve() : import("warta/editor").then((tools) => this.#mount(tools), () => this.#plain());
    return this.starting;
  }

  /** @param {number} [place] where the cursor was; the end, if nothing is said */
  async focus(place) {
    if (!this.editor) await this.start();
    this.editor ? this.editor.focus(place) : this.area.focus();
  }

  /** Put other words in, as if they had been typed. */
  load(html) {
    this.area.value = html;
    const started = this.start();
    if (this.editor) this.editor.load(html);
    else started.then(() => this.editor?.load(html));
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #mount(tools) {
    RichText.#tools = tools;
    if (!this.isConnected || this.editor) return;
    const { createEditor, address } = tools;
    const html = this.isEarly ? this.host.innerHTML : this.dataset.html;
    this.host.removeAttribute("contenteditable");
    this.host.replaceChildren();
    this.address = address;
    this.editor = createEditor({
      host: this.host,
      html,
      label: this.dataset.merge,
      onChange: () => this.#changed(),
      onMove: () => this.editor && this.#tell("rich-move"),
      onLink: () => this.#tell("rich-link"),
    });
  }

  #attributes() {
    const { area, dataset } = this;
    const found = { id: area.id, lang: area.lang, role: "textbox", contenteditable: "plaintext-only", "aria-multiline": "true", "aria-label": dataset.label, "data-placeholder": dataset.label };
    for (const name of ["aria-invalid", "aria-describedby"]) if (area.hasAttribute(name)) found[name] = area.getAttribute(name);
    return found;
  }

  /** Whoever types before the editor has come types into what will become it: no key is lost. */
  #early() {
    this.isEarly = true;
    this.#take(this.host.innerHTML, !this.host.textContent);
  }

  #changed() {
    this.#take(this.editor.html(), this.editor.isEmpty());
  }

  #take(html, isEmpty) {
    this.area.value = html;
    this.toggleAttribute("data-empty", isEmpty);
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #plain() {
    this.host.remove();
    this.area.hidden = false;
    this.area.id = this.host.id;
  }

  #tell(name) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true }));
  }
}

if (!customElements.get("rich-text")) customElements.define("rich-text", RichText);
