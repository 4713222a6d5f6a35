// The labels with their counts, shapes and sliders.

const BARS = 40;

// How the confidences lie between 0 and 100: so it is seen where a threshold would part them.
function shape(label) {
  const bars = new Array(BARS).fill(0);
  for (const { confidence } of label.detections) bars[Math.min(BARS - 1, Math.max(0, Math.floor((confidence / 100000) * BARS)))] += 1;
  const most = Math.max(...bars);
  // The square root keeps few beside many in sight.
  const path = bars.map((bar, index) => (bar ? `M${index} 10h.9v${-(1 + 9 * Math.sqrt(bar / most))}h-.9z` : "")).join("");
  // The bars of which nothing passes are under a veil.
  const cut = svg("rect", { class: "cut", x: 0, y: 0, width: 0, height: 10 });
  const node = svg("svg", { class: "shape", viewBox: `0 0 ${BARS} 10`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: `bars colour-${label.index % COLOURS}`, d: path }), cut);
  return { node, veil: (thousandths) => cut.setAttribute("width", Math.min(BARS - 1, Math.floor((thousandths / 100000) * BARS))) };
}

function labelRow(label) {
  const tick = el("input", { type: "checkbox", onchange: () => {
    label.picked = tick.checked;
    changed();
  } });
  const images = el("output", { class: "figure" });
  const { node, veil } = shape(label);
  const state = el("span", { class: "quiet" });
  const start = label.threshold ?? label.lowest;
  const slider = el("input", { type: "range", min: 0, max: 100, step: 0.5, value: start / 1000, oninput: () => {
    label.chosen = Math.round(Number(slider.value) * 1000);
    changed();
  } });
  slider.setAttribute("aria-label", `Least confidence of ${visible(label.name)}`);
  const undo = el("button", { type: "button", class: "plain small", onclick: () => {
    label.chosen = null;
    changed();
    slider.focus();
  } }, "as labelled");
  undo.setAttribute("aria-label", `${visible(label.name)}: as labelled`);
  const row = el("li", {},
    el("label", { class: "pick" }, tick, swatch(label.index), name(label.name, { class: "pick-name" })), images,
    el("div", { class: "slide" }, node, slider),
    el("div", { class: "state small" }, state, undo));
  const refresh = () => {
    tick.checked = label.picked;
    images.textContent = number(label.images);
    images.title = count(label.images, "image");
    const known = label.threshold === null ? "as labelled" : `as labelled, from ${exactly(label.threshold)}`;
    state.textContent = label.chosen === null ? known : `from ${exactly(label.chosen)}`;
    undo.hidden = label.chosen === null;
    if (label.chosen === null) slider.value = start / 1000;
    veil(label.chosen ?? start);
    slider.setAttribute("aria-valuetext", `${state.textContent}, ${count(label.images, "image")}`);
  };
  return { row, refresh };
}

function nothingRow() {
  const tick = el("input", { type: "checkbox", onchange: () => {
    view.nothing = tick.checked;
    changed();
  } });
  const images = el("output", { class: "figure" });
  const row = el("li", { class: "nothing" },
    el("label", { class: "pick" }, tick, el("span", { class: "swatch none", "aria-hidden": "true" }), el("span", { class: "pick-name" }, "no label")), images);
  return { row, refresh: (withoutLabel) => {
    tick.checked = view.nothing;
    images.textContent = number(withoutLabel);
    images.title = count(withoutLabel, "image");
  } };
}
