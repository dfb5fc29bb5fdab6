/** <count-down data-until="ISO time">: ticks every second between two answers of the server. Without script, its text stays. */
class CountDown extends HTMLElement {
  connectedCallback() {
    const until = Date.parse(this.dataset.until);
    const show = () => {
      const seconds = Math.max(0, Math.round((until - Date.now()) / 1000));
      if (seconds >= 3600) return;
      this.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    };
    show();
    this.timer = setInterval(show, 1000);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }
}
if (!customElements.get("count-down")) customElements.define("count-down", CountDown);
