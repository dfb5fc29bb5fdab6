/** <image-drop>: also uploads an image that is dropped or pasted on the block, and shows the progress. */
class ImageDrop extends HTMLElement {
  connectedCallback() {
    if (this.field) return;
    this.field = this.querySelector("input[type=file]");
    if (!this.field) return;
    this.bar = this.querySelector("progress");
    this.said = this.querySelector("[role=status]");
    // Uploads are queued with the saves of the form. They send its version, but not its texts.
    this.setAttribute("hx-sync", "#compose:queue all");
    this.setAttribute("hx-encoding", "multipart/form-data");
    this.setAttribute("hx-params", "file,block,language,version,page,turn");
    this.field.addEventListener("input", (event) => event.stopPropagation());
    this.field.addEventListener("change", () => this.#send(this.field.files[0]));
    this.addEventListener("htmx:xhr:progress", ({ detail }) => detail.lengthComputable && (this.bar.value = detail.loaded / detail.total));
    this.addEventListener("htmx:afterRequest", ({ detail }) => this.#done(detail.xhr));
    const place = this.closest(".snip") ?? this;
    place.addEventListener("dragover", (event) => this.#over(event));
    place.addEventListener("dragleave", (event) => place.contains(event.relatedTarget) || this.removeAttribute("data-over"));
    place.addEventListener("drop", (event) => this.#take(event, event.dataTransfer));
    place.addEventListener("paste", (event) => this.#take(event, event.clipboardData), { capture: true });
  }

  #over(event) {
    if (![...event.dataTransfer.items].some((item) => item.kind === "file")) return;
    event.preventDefault();
    this.toggleAttribute("data-over", true);
  }

  /** A word processor puts a picture of its text beside the text: that is no picture for us. */
  #take(event, transfer) {
    this.removeAttribute("data-over");
    const file = [...transfer.files].find((each) => each.type.startsWith("image/"));
    if (!file || transfer.types.includes("text/plain")) return;
    event.preventDefault();
    event.stopPropagation();
    this.#send(file);
  }

  #send(file) {
    if (!file) return;
    this.bar.value = 0;
    this.bar.hidden = false;
    this.said.textContent = this.dataset.sending;
    const values = { file, block: this.dataset.block };
    window.htmx.ajax("POST", this.dataset.url, { source: this, target: this, swap: "none", values });
  }

  #done(xhr) {
    this.bar.hidden = true;
    this.field.value = "";
    const said = new DOMParser().parseFromString(xhr.status === 422 ? xhr.responseText : "", "text/html");
    const ok = xhr.status >= 200 && xhr.status < 300;
    this.said.textContent = ok ? "" : said.body.textContent.trim() || this.dataset.failed;
  }
}

if (!customElements.get("image-drop")) customElements.define("image-drop", ImageDrop);
