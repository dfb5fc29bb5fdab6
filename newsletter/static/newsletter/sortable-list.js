/** <sortable-list>: cards change places by grip, by Alt and an arrow, or by their buttons. The order in the page is the order. */
const EDGE = 72;

class SortableList extends HTMLElement {
  connectedCallback() {
    this.#mark();
    if (this.isReady) return;
    this.isReady = true;
    this.addEventListener("pointerdown", (event) => this.#lift(event));
    this.addEventListener("click", (event) => this.#press(event));
    this.addEventListener("keydown", (event) => this.#key(event));
  }

  get cards() {
    return [...this.querySelectorAll(":scope > .snip")];
  }

  #lift(event) {
    const grip = event.target.closest(".grip");
    if (!grip || event.button) return;
    event.preventDefault();
    const card = grip.closest(".snip");
    const end = new AbortController();
    const within = event.clientY - card.getBoundingClientRect().top;
    this.drag = { card, end, y: event.clientY, within, after: card.nextElementSibling };
    grip.setPointerCapture(event.pointerId);
    card.classList.add("lifted");
    this.#say("lifted", card);
    const hear = (target, name, act) => target.addEventListener(name, act, { signal: end.signal, capture: true });
    hear(grip, "pointermove", (moved) => this.#follow(moved.clientY));
    hear(grip, "pointerup", () => this.#drop(true));
    hear(grip, "pointercancel", () => this.#drop(false));
    hear(document, "keydown", (pressed) => pressed.key === "Escape" && this.#drop(false));
    this.#scroll();
  }

  /** The others make way; the lifted card itself stays where it is in the page, or it would lose the pointer. */
  #follow(y) {
    const { card, within } = this.drag;
    this.drag.y = y;
    card.style.transform = "";
    const { cards } = this;
    const middle = (other) => (other.getBoundingClientRect().top + other.getBoundingClientRect().bottom) / 2;
    const above = cards.slice(0, cards.indexOf(card)).filter((other) => y - within < middle(other));
    const below = cards.slice(cards.indexOf(card) + 1).filter((other) => y - within + card.offsetHeight > middle(other));
    card.after(...above);
    card.before(...below);
    card.style.transform = `translateY(${y - within - card.getBoundingClientRect().top}px)`;
  }

  #scroll() {
    if (!this.drag) return;
    const { y } = this.drag;
    const step = y < EDGE * 2 ? -10 : y > window.innerHeight - EDGE ? 10 : 0;
    window.scrollBy(0, step);
    if (step) this.#follow(y);
    requestAnimationFrame(() => this.#scroll());
  }

  #drop(isMeant) {
    const { card, end, after } = this.drag;
    this.drag = null;
    end.abort();
    card.classList.remove("lifted");
    card.style.transform = "";
    if (isMeant && card.nextElementSibling !== after) return this.#moved(card);
    this.insertBefore(card, after);
    this.#say("cancelled", card);
  }

  #press(event) {
    const button = event.target.closest("button[name=do]");
    const card = button?.closest(".snip");
    const step = card && { [`up:${card.id}`]: -1, [`down:${card.id}`]: 1 }[button.value];
    if (step) this.#move(card, step, event);
  }

  #key(event) {
    const step = event.altKey && !event.shiftKey && { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const card = event.target.closest(".snip");
    if (step && card?.parentElement === this) this.#move(card, step, event);
  }

  /** The neighbour goes round the card, so that the keyboard stays where it is. */
  #move(card, step, event) {
    event.preventDefault();
    const other = this.cards[this.cards.indexOf(card) + step];
    if (!other) return;
    step < 0 ? card.after(other) : card.before(other);
    card.scrollIntoView({ block: "nearest" });
    this.#moved(card);
  }

  #moved(card) {
    this.#mark();
    this.#say("moved", card);
    card.dispatchEvent(new Event("reorder", { bubbles: true }));
  }

  #mark() {
    const { cards } = this;
    const ends = { up: cards[0], down: cards.at(-1) };
    const grip = document.getElementById("grip").content;
    for (const card of cards) {
      if (!card.querySelector(":scope > .grip")) card.prepend(grip.cloneNode(true));
      for (const way of ["up", "down"]) {
        const button = card.querySelector(`[value="${way}:${card.id}"]`);
        ends[way] === card ? button?.setAttribute("aria-disabled", "true") : button?.removeAttribute("aria-disabled");
      }
    }
  }

  #say(what, card) {
    const { cards } = this;
    const said = { title: card.getAttribute("aria-label"), place: cards.indexOf(card) + 1, total: cards.length };
    document.getElementById("announced").textContent = this.dataset[what].replace(/\{(\w+)\}/g, (_, key) => said[key]);
  }
}

if (!customElements.get("sortable-list")) customElements.define("sortable-list", SortableList);
