/** <rich-text>: buttons over a textarea that set the chosen words in bold or italic, or make them a link. */
class RichText extends HTMLElement {
  connectedCallback() {
    if (this.bar) return;
    this.area = this.querySelector("textarea");
    this.bar = document.createElement("div");
    this.bar.className = "tools";
    this.bar.setAttribute("role", "group");
    this.bar.setAttribute("aria-label", this.dataset.tools);
    this.#button("B", this.dataset.bold, () => this.#wrap("<strong>", "</strong>"));
    this.#button("I", this.dataset.italic, () => this.#wrap("<em>", "</em>"));
    this.#button(this.dataset.link, this.dataset.link, () => this.#link());
    this.prepend(this.bar);
    this.area.addEventListener("keydown", (event) => this.#key(event));
  }

  #button(text, label, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn small quiet";
    button.textContent = text;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    this.bar.append(button);
  }

  #wrap(before, after) {
    const { selectionStart: from, selectionEnd: to, value } = this.area;
    const chosen = value.slice(from, to);
    this.area.setRangeText(before + chosen + after, from, to, "end");
    if (!chosen) this.area.setSelectionRange(from + before.length, from + before.length);
    this.#typed();
  }

  /** The address comes last to be typed, so it is left selected. */
  #link() {
    const from = this.area.selectionStart;
    this.#wrap('<a href="https://">', "</a>");
    this.area.setSelectionRange(from + 9, from + 17);
  }

  #typed() {
    this.area.focus();
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #key(event) {
    if (!(event.ctrlKey || event.metaKey)) return;
    const act = { b: () => this.#wrap("<strong>", "</strong>"), i: () => this.#wrap("<em>", "</em>"), k: () => this.#link() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

if (!customElements.get("rich-text")) customElements.define("rich-text", RichText);
