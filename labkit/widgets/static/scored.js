// Tokens to point at, by mouse or by arrow keys: each tells its chance, and what else might have come.
const CSS = `
.labkit-scored-words { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.9; min-height: 1.9em;
  max-height: 20em; overflow-y: auto; font-size: 1.05em; }
.labkit-scored-words > span { border-radius: 2px; cursor: default; text-underline-offset: 3px;
  box-shadow: inset -1px 0 0 var(--jp-layout-color1, #fff), 1px 0 0 var(--jp-border-color2, #e0e0e0); }
.labkit-scored-words > span[aria-selected="true"] { outline: 2px solid var(--jp-brand-color1, #1976d2); }
.labkit-scored-detail { min-height: 9.5em; margin-top: 6px; line-height: 1.45; }
.labkit-scored-detail > div { display: grid; grid-template-columns: minmax(4.5em, 22%) 1fr 4.2em; gap: 8px;
  align-items: center; }
.labkit-scored-detail code { white-space: pre; overflow: hidden; text-overflow: ellipsis; }
.labkit-scored-detail i { display: block; height: 10px; border-radius: 2px; background: #0072b2; }
.labkit-scored-detail .rest i { background: #999999; }
.labkit-scored-detail .taken code { font-weight: bold; text-decoration: underline; }
.labkit-scored-detail span:last-child { text-align: right; }`;

const made = (tag, text, name) => {
  const found = document.createElement(tag);
  if (text) found.textContent = text;
  if (name) found.className = name;
  return found;
};

export default {
  render({ model, el }) {
    const words = made("div", "", "labkit-scored-words");
    const detail = made("div", model.get("hint"), "labkit-scored-detail");
    let all = [], at = -1;
    words.setAttribute("role", "listbox");
    words.setAttribute("aria-label", model.get("label"));
    words.dataset.lmSuppressShortcuts = "true"; // JupyterLab's arrow keys would leave the cell
    detail.setAttribute("aria-hidden", "true"); // a token's own label says the same
    el.append(made("style", CSS), words, detail);

    const line = (text, share, shown, name) => {
      const row = made("div", "", name), bar = made("span"), fill = made("i");
      fill.style.width = `${100 * share}%`;
      bar.append(fill);
      row.append(made("code", text), bar, made("span", shown));
      return row;
    };
    const choose = (place) => {
      const spans = words.children;
      if (!spans[place]) return;
      if (spans[at]) { spans[at].tabIndex = -1; spans[at].ariaSelected = "false"; }
      at = place;
      spans[at].tabIndex = 0;
      spans[at].ariaSelected = "true";
      const rows = all[at].rows.map(([text, share, shown, name]) => line(text, share, shown, name));
      detail.replaceChildren(made("p", all[at].head), ...rows);
    };
    const add = (tokens) => {
      for (const token of tokens) {
        const span = made("span", token.text);
        span.style.cssText = model.get("styles")[token.step];
        span.setAttribute("role", "option");
        span.setAttribute("aria-label", token.told);
        span.tabIndex = all.length ? -1 : 0;
        all.push(token);
        words.append(span);
      }
    };
    const whole = () => {
      const tokens = model.get("tokens");
      if (tokens.length && tokens.length === all.length) return; // they came one by one
      all = []; at = -1;
      words.replaceChildren();
      detail.replaceChildren(model.get("hint"));
      add(tokens);
    };
    const place = (event) => [...words.children].indexOf(event.target.closest("[role=option]"));
    words.addEventListener("mouseover", (event) => choose(place(event)));
    words.addEventListener("focusin", (event) => choose(place(event)));
    words.addEventListener("keydown", (event) => {
      const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0,
        End: all.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      words.children[to]?.focus();
    });
    model.on("change:tokens", whole);
    model.on("msg:custom", (piece) => add(piece.append));
    whole();
  },
};
