/** The one place that knows Tiptap: an editor for the few tags a mail may have. Imported as "warta/editor". */
import {
  Bold, BulletList, Document, Editor, HardBreak, History, Italic, Link, ListItem, Node, OrderedList, Paragraph, Text,
} from "django-prose-editor/editor";

const ADDRESS = /^(https?:\/\/[^\s/]+\S*|mailto:\S+@\S+)$/i;
const SCHEME = /^[a-z][a-z0-9+.-]*:(?!\d)/i;

/** A link address as typed, made whole; "" if nothing safe can be made of it. */
export function address(typed) {
  const text = typed.trim();
  const whole = SCHEME.test(text) ? text : /^[^\s/]+@[^\s/]+$/.test(text) ? `mailto:${text}` : `https://${text}`;
  return ADDRESS.test(whole) && URL.canParse(whole) ? whole : "";
}

/** A place for a reader's own value; what is in it is shown where nothing is known of the reader. */
const Merge = Node.create({
  name: "merge",
  group: "inline",
  inline: true,
  atom: true,
  addOptions: () => ({ label: "" }),
  addAttributes: () => ({
    name: { default: "name", parseHTML: (element) => element.dataset.merge, renderHTML: ({ name }) => ({ "data-merge": name }) },
    fallback: { default: "", parseHTML: (element) => element.textContent.trim(), renderHTML: () => ({}) },
  }),
  parseHTML: () => [{ tag: "span[data-merge]" }],
  renderHTML: ({ node, HTMLAttributes }) => ["span", HTMLAttributes, node.attrs.fallback],
  renderText: ({ node }) => node.attrs.fallback,
  addNodeView() {
    return ({ node }) => {
      const dom = document.createElement("span");
      dom.className = "chip";
      dom.dataset.label = this.options.label;
      dom.textContent = node.attrs.fallback;
      return { dom };
    };
  },
});

/** Bold and italic of word processors are styles; they become tags, and every style goes before a parser sees it. */
export function pasted(html) {
  return html
    .replace(/<style[\s\S]*?<\/style>|<!--[\s\S]*?-->/gi, "")
    .replace(/<b\b[^>]*font-weight:\s*normal[^>]*>/gi, "<span>")
    .replace(/<span\b([^>]*)>([^<]*)<\/span>/gi, (whole, look, words) => {
      if (/data-merge/.test(look)) return whole;
      const slanted = /font-style:\s*italic/i.test(look) ? `<em>${words}</em>` : words;
      return /font-weight:\s*(bold|[6-9]00)/i.test(look) ? `<strong>${slanted}</strong>` : slanted;
    })
    .replace(/\s(style|class|on\w+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi, "");
}

/** Words may be put back between two keys: a space at their end belongs to the next word. */
const parseOptions = { preserveWhitespace: true };

function extensions({ label, onLink }) {
  return [
    Document, Paragraph, Text, Bold, Italic, BulletList, OrderedList, History, Merge.configure({ label }),
    ListItem.extend({ content: "paragraph" }),
    HardBreak.extend({ addKeyboardShortcuts() { return { "Shift-Enter": () => this.editor.commands.setHardBreak() }; } }),
    Link.extend({ addKeyboardShortcuts: () => ({ "Mod-k": () => onLink() ?? true }) }).configure({
      autolink: false,
      defaultProtocol: "https",
      isAllowedUri: (url) => ADDRESS.test(url),
    }),
  ];
}

/** Turn `host` into an editor that holds `html`. `onChange` hears each change, `onMove` also each move of the cursor. */
export function createEditor({ host, html, label, onChange, onLink, onMove }) {
  const editor = new Editor({
    element: { mount: host },
    content: html,
    parseOptions,
    injectCSS: false,
    extensions: extensions({ label, onLink }),
    editorProps: { transformPastedHTML: pasted },
    onUpdate: () => onChange(),
    onTransaction: () => onMove(),
  });
  const run = (step) => step(editor.chain().focus()).run();
  const actions = {
    bold: () => run((chain) => chain.toggleBold()),
    italic: () => run((chain) => chain.toggleItalic()),
    bulletList: () => run((chain) => chain.toggleBulletList()),
    orderedList: () => run((chain) => chain.toggleOrderedList()),
  };
  return {
    act: (name) => actions[name]?.(),
    is: (name) => editor.isActive(name),
    html: () => (editor.isEmpty ? "" : editor.getHTML()),
    isEmpty: () => editor.isEmpty,
    load: (text) => editor.commands.setContent(text, { parseOptions }),
    caret: () => editor.state.selection.head,
    focus: (place) => editor.commands.focus(place ?? "end"),
    href: () => editor.getAttributes("link").href ?? "",
    link: (href) => run((chain) => chain.extendMarkRange("link").setLink({ href })),
    insertLink: (href) => run((chain) => chain.insertContent({ type: "text", text: href.replace(/^(https?:\/\/|mailto:)/, ""), marks: [{ type: "link", attrs: { href } }] })),
    unlink: () => run((chain) => chain.extendMarkRange("link").unsetLink()),
    hasWords: () => !editor.state.selection.empty || editor.isActive("link"),
    fallback: () => (editor.isActive("merge") ? editor.getAttributes("merge").fallback : ""),
    merge: (fallback) => run((chain) => (editor.isActive("merge") ? chain.updateAttributes("merge", { fallback }) : chain.insertContent({ type: "merge", attrs: { name: "name", fallback } }))),
    destroy: () => editor.destroy(),
  };
}
