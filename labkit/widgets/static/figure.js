// A figure by Plotly's own widget. Its script of 5 MB comes to the page once, in a widget without a view, and
// not with every figure; the page reads it as soon as it is there.
const load = async (script) => {
  const url = URL.createObjectURL(new Blob([script.get("code")], { type: "text/javascript" }));
  try {
    return (await import(/* webpackIgnore: true */ url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
};

const plotly = (script) =>
  (globalThis.labkitPlotly ??= load(script).catch((error) => {
    globalThis.labkitPlotly = undefined;
    throw error;
  }));

export default () => {
  let figure;
  return {
    async initialize(context) {
      const { model } = context, from = model.get("_script")?.replace("IPY_MODEL_", "");
      const make = await plotly(from ? await model.widget_manager.get_model(from) : model);
      if (!from) return;
      figure = make();
      return figure.initialize(context);
    },
    // It is drawn once it stands in its cell and has a width, and again when that changes.
    render(context) {
      context.el.setAttribute("role", "img");
      context.el.setAttribute("aria-label", context.model.get("_told"));
      let width = 0, remove = () => {};
      const seen = new ResizeObserver(([{ contentRect }]) => {
        if (!contentRect.width || contentRect.width === width) return;
        if (width) window.dispatchEvent(new Event("resize"));
        else remove = figure.render(context);
        width = contentRect.width;
      });
      seen.observe(context.el);
      return () => {
        seen.disconnect();
        remove();
      };
    },
  };
};
