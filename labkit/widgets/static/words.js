// One line of words that a screen reader speaks when it changes.

// A slider of ipywidgets has no name for a screen reader, nor has the number beside it: both get their label's.
// What opens an accordion is a button for the mouse alone: here it is one for the keyboard as well.
const name = (box) => {
  for (const part of box.querySelectorAll('[role="slider"]:not([aria-label]), .widget-readout:not([aria-label])'))
    part.setAttribute("aria-label", part.closest(".widget-slider")?.querySelector("label, .widget-label")?.textContent ?? "");
  for (const group of box.querySelectorAll(".labkit-group:not([role])")) {
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", group.querySelector("b")?.textContent ?? "");
  }
  for (const head of box.querySelectorAll(".jupyter-widget-Collapse-header:not([role])")) {
    const tell = () =>
      head.setAttribute("aria-expanded", head.parentElement.classList.contains("jupyter-widget-Collapse-open"));
    head.setAttribute("role", "button");
    head.setAttribute("aria-label", head.textContent.trim());
    head.tabIndex = 0;
    head.dataset.lmSuppressShortcuts = "true"; // or Enter would edit the cell
    head.addEventListener("click", () => setTimeout(tell));
    head.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      head.click();
    });
    tell();
  }
};

export default {
  render({ model, el }) {
    el.classList.add("labkit-words");
    el.setAttribute("role", "status");
    el.setAttribute("aria-live", "polite");
    const show = () => {
      el.textContent = model.get("text");
      el.dataset.kind = model.get("kind");
    };
    model.on("change:text", show);
    model.on("change:kind", show);
    show();
    const names = new MutationObserver(() => name(el.closest(".labkit") ?? el));
    const placed = new ResizeObserver(() => {
      const box = el.closest(".labkit");
      if (!box) return;
      placed.disconnect();
      name(box);
      names.observe(box, { childList: true, subtree: true });
    });
    placed.observe(el);
    return () => {
      placed.disconnect();
      names.disconnect();
    };
  },
};
