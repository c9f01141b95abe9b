// Takes pictures by a button, by drag and drop, or pasted anywhere in the widget; sends them in slices, since a
// message of more than ten megabytes would end the connection to the kernel.
const SLICE = 1 << 20;

export default {
  render({ model, el }) {
    const words = model.get("words");
    el.classList.add("labkit-drop");
    el.dataset.lmSuppressShortcuts = "true";
    const input = make("input", { type: "file", accept: "image/*", multiple: true, hidden: true });
    const button = make("button", { type: "button", textContent: words.button, className: "jupyter-button" });
    const hint = make("span", { textContent: words.hint, className: "labkit-small" });
    const list = make("ul", {});
    el.append(button, hint, input, list);

    const take = async (files) => {
      for (const file of files) {
        if (file.size > model.get("limit")) {
          model.send({ refused: file.name, size: file.size });
          continue;
        }
        const id = Math.floor(Math.random() * 2 ** 40);
        for (let at = 0; at === 0 || at < file.size; at += SLICE) {
          const slice = await file.slice(at, at + SLICE).arrayBuffer();
          model.send({ id, name: file.name, last: at + SLICE >= file.size }, undefined, [slice]);
        }
      }
    };
    button.onclick = () => input.click();
    input.onchange = () => { take([...input.files]); input.value = ""; };
    const over = (event) => {
      event.preventDefault();
      event.stopPropagation();
      el.classList.toggle("labkit-over", event.type === "dragover");
    };
    el.ondragover = over;
    el.ondragleave = over;
    el.ondrop = (event) => { over(event); take([...event.dataTransfer.files]); };
    const paste = (event) => {
      const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
      if (!files.length || !el.closest(".labkit")?.contains(event.target)) return;
      event.preventDefault();
      event.stopPropagation();
      take(files);
    };
    document.addEventListener("paste", paste, true);

    const show = () => list.replaceChildren(...model.get("shown").map((photo, index) => {
      const label = words.remove.replace("{name}", photo.name);
      const remove = make("button", { type: "button", textContent: label, className: "jupyter-button" });
      remove.onclick = () => model.send({ remove: index });
      const item = make("li", {});
      item.append(
        make("img", { src: photo.thumb, alt: photo.name }),
        make("span", { textContent: photo.note, className: "labkit-small" }),
        remove,
      );
      return item;
    }));
    model.on("change:shown", show);
    show();
    return () => document.removeEventListener("paste", paste, true);
  },
};

const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
