// Text that grows: pieces are appended as they come, so that a long answer costs no more than a short one.
const ROOM = 1500;

export default () => {
  let come = ""; // the pieces since the text was last whole: a page may draw after the first of them
  return {
    initialize({ model }) {
      model.on("change:text", () => {
        come = "";
      });
      model.on("msg:custom", (piece) => {
        come += piece.append;
      });
    },
    render({ model, el }) {
      el.classList.add("labkit-stream");
      el.setAttribute("role", "log");
      el.setAttribute("aria-label", model.get("label"));
      el.tabIndex = 0;
      const text = document.createTextNode("");
      let limit = ROOM;
      const whole = () => {
        text.data = model.get("text") + come;
        limit = text.length + ROOM;
        el.replaceChildren(text);
      };
      // A browser lays out a whole paragraph for each piece. So the lines that are full become a block of their
      // own, split where the page broke the line; the end of the answer joins them again.
      const settle = () => {
        const range = document.createRange();
        const top = (at) => {
          range.setStart(text, at);
          range.setEnd(text, at + 1);
          return range.getBoundingClientRect().top;
        };
        let at = text.length - 1;
        const last = top(at);
        while (at > 0 && top(at - 1) === last) at--;
        const block = document.createElement("div");
        block.textContent = text.data.slice(0, at);
        if (at > 0) text.before(block);
        text.deleteData(0, at);
        limit = text.length + ROOM;
      };
      model.on("change:text", whole);
      model.on("msg:custom", (piece) => {
        const low = el.scrollHeight - el.scrollTop - el.clientHeight < 40;
        text.appendData(piece.append);
        if (text.length > limit) settle();
        if (low) el.scrollTop = el.scrollHeight;
      });
      whole();
    },
  };
};
