/** <kept-words>: keeps what is typed and not saved in this browser, and offers it back when the page comes again. */
const OWN = new Set(["csrfmiddlewaretoken", "version", "language", "do"]);

class KeptWords extends HTMLElement {
  connectedCallback() {
    if (this.form) return;
    this.form = document.getElementById("compose");
    this.key = `${this.dataset.key}:${this.form.elements.language.value}`;
    this.stored = this.now();
    this.meanwhile = {};
    this.querySelector("[data-back]").addEventListener("click", () => this.#back());
    this.querySelector("[data-away]").addEventListener("click", () => this.#away());
    this.#offer();
  }

  /** Every field of the form by its name; the order of the blocks is one of them. */
  now() {
    const found = {};
    for (const [name, value] of new FormData(this.form)) if (!OWN.has(name)) found[name] = name === "block" && found.block ? `${found.block} ${value}` : value;
    return found;
  }

  /** A box that is no longer ticked counts as "". */
  #changes(from) {
    const now = this.now();
    const names = new Set([...Object.keys(from), ...Object.keys(now)]);
    return Object.fromEntries([...names].map((name) => [name, now[name] ?? ""]).filter(([name, value]) => value !== (from[name] ?? "")));
  }

  /** At once, at every key: a crash asks nobody first. */
  keep() {
    const changes = { ...this.kept, ...this.#changes(this.stored) };
    try {
      if (Object.keys(changes).length) localStorage.setItem(this.key, JSON.stringify(changes));
      else localStorage.removeItem(this.key);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
    }
  }

  /** Called before an answer comes into the page: what was typed since `sent`, or is not saved, must outlive it. */
  lift(sent) {
    sent ||= this.stored;
    this.meanwhile = this.#changes(sent);
    const text = document.activeElement?.closest("rich-text");
    this.cursor = text && { host: text.host, id: text.host.id, place: text.editor?.caret() };
  }

  /** `sent` is saved; an answer that brought other words has them in the page by now. */
  settle(sent = this.stored) {
    const { meanwhile } = this;
    this.meanwhile = {};
    this.stored = Object.fromEntries(Object.entries(this.now()).map(([name, value]) => [name, name in meanwhile ? sent[name] : value]));
    const { host, id, place } = this.cursor ?? {};
    this.#put(meanwhile);
    if (host && !host.isConnected) document.getElementById(id)?.closest("rich-text").focus(place);
    this.keep();
  }

  /** Put words into their fields; returns those that have no field any more. */
  #put(words) {
    const homeless = {};
    for (const [name, value] of Object.entries(words)) {
      const field = name === "block" ? null : this.form.elements[name];
      if (name === "block") this.#arrange(value.split(" "));
      else if (!field) homeless[name] = value;
      else if (field.value !== value) this.#fill(field, value);
    }
    return homeless;
  }

  #fill(found, value) {
    const field = found instanceof RadioNodeList ? [...found].at(-1) : found;
    const text = field.closest("rich-text");
    if (text) return text.load(value);
    if (field.type === "checkbox") field.checked = value === field.value;
    else field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #arrange(ids) {
    const cards = ids.map((id) => document.getElementById(id)).filter((card) => card?.matches(".snip"));
    if (!cards.length || cards.every((card, place) => card === cards[0].parentElement.querySelectorAll(":scope > .snip")[place])) return;
    cards[0].parentElement.prepend(...cards);
    cards[0].dispatchEvent(new Event("reorder", { bubbles: true }));
  }

  #offer() {
    const found = JSON.parse(localStorage.getItem(this.key) ?? "{}");
    const open = Object.entries(found).filter(([name, value]) => value !== this.stored[name]);
    this.kept = Object.fromEntries(open);
    this.#show();
    if (!open.length) localStorage.removeItem(this.key);
  }

  #show() {
    const said = Object.entries(this.kept).filter(([name]) => name !== "block").map(([, value]) => value.replace(/<[^>]*>/g, " ").trim());
    this.querySelector("ul").replaceChildren(...said.map((text) => Object.assign(document.createElement("li"), { textContent: text, lang: this.form.elements.language.value })));
    this.hidden = !Object.keys(this.kept).length;
  }

  #back() {
    this.kept = this.#put(this.kept);
    this.#show();
    this.form.querySelector("#subject").focus();
  }

  #away() {
    this.kept = {};
    this.#show();
    this.keep();
  }
}

if (!customElements.get("kept-words")) customElements.define("kept-words", KeptWords);
