// One line of words that a screen reader speaks when it changes.
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
    // A figure is drawn before it stands in its cell: let it measure again.
    setTimeout(() => window.dispatchEvent(new Event("resize")), 200);
  },
};
