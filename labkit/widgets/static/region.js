// A picture with its token grid and a rectangle on it: dragged, or moved with the arrow keys. A file can be
// chosen or dropped; a large one is scaled down here, before it goes to the kernel.
const NS = "http://www.w3.org/2000/svg";

const make = (name, attributes) => {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

const smaller = async (file, longest) => {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const ratio = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(bitmap.width * ratio)),
    Math.max(1, Math.round(bitmap.height * ratio)),
  );
  const pencil = canvas.getContext("2d");
  pencil.fillStyle = "white";
  pencil.fillRect(0, 0, canvas.width, canvas.height);
  pencil.imageSmoothingQuality = "high";
  pencil.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  return { blob, size: [bitmap.width, bitmap.height] };
};

export default {
  render({ model, el }) {
    const words = model.get("words");
    const chooser = document.createElement("input");
    chooser.type = "file";
    chooser.accept = "image/*";
    const label = document.createElement("label");
    label.append(words.choose + " ", chooser);
    const hint = document.createElement("span");
    hint.textContent = words.drop;
    const top = document.createElement("div");
    top.style.cssText = "display: flex; flex-wrap: wrap; gap: 4px 12px; margin-bottom: 6px;";
    top.append(label, hint);

    const svg = make("svg", { tabindex: 0, role: "group" });
    svg.style.cssText = "display: block; width: 100%; max-height: 60vh; cursor: crosshair; touch-action: none; overflow: visible; margin: 3px 0;";
    const image = make("image", { preserveAspectRatio: "none", x: 0, y: 0 });
    const breaks = make("path", { fill: "#0072b2" });
    const line = { fill: "none", "vector-effect": "non-scaling-stroke" };
    const grid = make("path", { ...line, stroke: "#d55e00", "stroke-width": 1, opacity: 0.7 });
    const shade = make("path", { fill: "#000", "fill-rule": "evenodd", opacity: 0.45 });
    const frame = make("rect", { ...line, stroke: "#fff", "stroke-width": 3 });
    const inner = make("rect", { ...line, stroke: "#000", "stroke-width": 1, "stroke-dasharray": "5 3" });
    svg.append(image, grid, breaks, shade, frame, inner);
    el.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes the arrow keys for its cells
    el.append(top, svg);

    let url = "";
    let region = model.get("region");

    const picture = () => {
      if (url) URL.revokeObjectURL(url);
      url = URL.createObjectURL(new Blob([model.get("image")]));
      image.setAttribute("href", url);
    };
    const tokens = () => {
      const [wide, high] = model.get("size");
      const [columns, rows] = model.get("grid");
      const edge = wide / columns;
      const row = high / rows;
      svg.setAttribute("viewBox", `0 0 ${wide + edge / 2} ${high}`);
      svg.style.maxWidth = `${Math.max(wide, 640)}px`;
      image.setAttribute("width", wide);
      image.setAttribute("height", high);
      let lines = "";
      let bars = "";
      for (let i = 0; i <= columns; i++) lines += `M${i * edge} 0V${high}`;
      for (let i = 0; i <= rows; i++) lines += `M0 ${i * row}H${wide}`;
      for (let i = 0; i < rows; i++) bars += `M${wide + edge * 0.15} ${(i + 0.1) * row}h${edge * 0.3}v${row * 0.8}h${-edge * 0.3}z`;
      grid.setAttribute("d", lines);
      breaks.setAttribute("d", bars);
      rectangle();
    };
    const rectangle = () => {
      const [wide, high] = model.get("size");
      const [x, y, width, height] = region;
      shade.setAttribute("d", `M0 0H${wide}V${high}H0zM${x} ${y}h${width}v${height}h${-width}z`);
      for (const each of [frame, inner])
        for (const [key, value] of Object.entries({ x, y, width, height })) each.setAttribute(key, value);
      svg.setAttribute("aria-label", `${words.region} ${x}, ${y}, ${width}, ${height}. ${words.keys}`);
    };
    const keep = (found) => {
      const [wide, high] = model.get("size");
      const width = Math.min(Math.max(1, Math.round(found[2])), wide);
      const height = Math.min(Math.max(1, Math.round(found[3])), high);
      const x = Math.min(Math.max(0, Math.round(found[0])), wide - width);
      const y = Math.min(Math.max(0, Math.round(found[1])), high - height);
      region = [x, y, width, height];
      rectangle();
    };
    const send = () => {
      model.set("region", region);
      model.save_changes();
    };

    const at = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const [wide, high] = model.get("size");
      return [Math.min(Math.max(0, point.x), wide), Math.min(Math.max(0, point.y), high)];
    };
    let from = null;
    svg.addEventListener("pointerdown", (event) => {
      from = at(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (!from) return;
      const to = at(event);
      const low = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
      keep([...low, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])]);
    });
    svg.addEventListener("pointerup", (event) => {
      if (!from) return;
      const to = at(event);
      const moved = Math.hypot(to[0] - from[0], to[1] - from[1]);
      from = null;
      if (moved < 3) keep(model.get("region")); // a click is no rectangle
      else send();
    });
    svg.addEventListener("keydown", (event) => {
      const step = Math.max(1, Math.round(model.get("size")[0] / 50));
      const [x, y] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] ?? [];
      if (x === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      const [left, top, width, height] = region;
      keep(event.shiftKey ? [left, top, Math.max(step, width + x), Math.max(step, height + y)] : [left + x, top + y, width, height]);
      send();
    });

    const take = async (file) => {
      if (!file) return;
      let [blob, size] = [file, null];
      try {
        const bitmap = await createImageBitmap(file);
        const large = Math.max(bitmap.width, bitmap.height) > model.get("longest");
        bitmap.close();
        if (large || file.size > model.get("heaviest")) {
          ({ blob, size } = await smaller(file, model.get("longest")));
        }
      } catch {
        if (file.size > model.get("heaviest")) blob = new Blob([]); // no picture, and too large to look further
      }
      model.send({ file: file.name, size }, undefined, [await blob.arrayBuffer()]);
    };
    chooser.addEventListener("change", () => {
      take(chooser.files[0]);
      chooser.value = ""; // so that the same file can be chosen again
    });
    for (const name of ["dragenter", "dragover", "drop"])
      el.addEventListener(name, (event) => {
        event.preventDefault();
        event.stopPropagation();
        if (name === "drop") take(event.dataTransfer.files[0]);
      });

    const moved = () => {
      region = model.get("region");
      rectangle();
    };
    model.on("change:image", picture);
    model.on("change:size change:grid", tokens);
    model.on("change:region", moved);
    picture();
    tokens();
    return () => {
      URL.revokeObjectURL(url);
      model.off("change:image", picture);
      model.off("change:size change:grid", tokens);
      model.off("change:region", moved);
    };
  },
};
