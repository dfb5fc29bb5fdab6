/** <shortcut-map>: a key presses what carries it, as in data-keys="Alt+Shift+T": first in the block at hand, then anywhere. */
const SINGLE = "warta-single-keys";

class ShortcutMap extends HTMLElement {
  connectedCallback() {
    if (this.box) return;
    this.box = this.querySelector("[data-single]");
    this.box.checked = localStorage.getItem(SINGLE) !== "off";
    this.box.addEventListener("change", () => localStorage.setItem(SINGLE, this.box.checked ? "on" : "off"));
    document.addEventListener("keydown", (event) => this.#key(event));
    if (!("command" in HTMLButtonElement.prototype)) document.addEventListener("click", (event) => this.#command(event));
  }

  #key(event) {
    if (event.defaultPrevented || event.isComposing) return;
    const keys = this.#name(event);
    const isWritten = event.target.matches?.("input:not([type=radio], [type=checkbox]), textarea, select") || event.target.isContentEditable;
    const isSingle = !keys.includes("+");
    if (isSingle && !this.box.checked) return;
    if (isWritten && (isSingle || keys.endsWith("Mod+Z") || keys.endsWith("Shift+Z"))) return;
    const carries = `[data-keys~="${CSS.escape(keys)}"]`;
    const target = event.target.closest?.(".snip")?.querySelector(carries) ?? document.querySelector(carries);
    if (!target || (document.querySelector("dialog:modal") && !target.closest("dialog:modal"))) return;
    event.preventDefault();
    this.#press(target);
  }

  /** Letters by their place on the board: with Alt a Mac writes other signs. */
  #name(event) {
    const key = /^Key[A-Z]$/.test(event.code) ? event.code.slice(3) : event.key;
    if (key.length === 1 && !/[A-Z]/.test(key)) return key;
    return [(event.ctrlKey || event.metaKey) && "Mod", event.altKey && "Alt", event.shiftKey && "Shift", key].filter(Boolean).join("+");
  }

  #press(target) {
    const choices = [...target.querySelectorAll("input[type=radio]")];
    if (choices.length) return choices[(choices.findIndex((each) => each.checked) + 1) % choices.length].click();
    return target.matches("input, textarea") ? target.focus() : target.click();
  }

  /** For browsers that do not know commandfor yet. */
  #command(event) {
    const button = event.target.closest("[commandfor]");
    const dialog = button && document.getElementById(button.getAttribute("commandfor"));
    if (dialog) button.getAttribute("command") === "close" ? dialog.close() : dialog.showModal();
  }
}

if (!customElements.get("shortcut-map")) customElements.define("shortcut-map", ShortcutMap);
