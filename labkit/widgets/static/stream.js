// Text that grows: pieces are appended as they come, so that a long answer costs no more than a short one.
export default {
  render({ model, el }) {
    el.classList.add("labkit-stream");
    el.setAttribute("role", "log");
    el.setAttribute("aria-label", model.get("label"));
    el.tabIndex = 0;
    const text = document.createTextNode("");
    el.append(text);
    const whole = () => { text.data = model.get("text"); };
    model.on("change:text", whole);
    model.on("msg:custom", (piece) => {
      const low = el.scrollHeight - el.scrollTop - el.clientHeight < 40;
      text.appendData(piece.append);
      if (low) el.scrollTop = el.scrollHeight;
    });
    whole();
  },
};
