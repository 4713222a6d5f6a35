// One image, large, with all of its labels.

const viewer = byId("viewer");
let order = images;
let current = null;

// `through` are the images that the arrows lead to.
function openViewer(image, through) {
  order = through;
  showImage(image);
  if (!viewer.open) viewer.showModal();
}

function step(by) {
  const next = order[order.indexOf(current) + by];
  if (next) showImage(next);
}

function showImage(image) {
  current = image;
  const marks = [...image.detections].sort((one, other) => other.confidence - one.confidence);
  const at = order.indexOf(image);
  const focused = document.activeElement?.dataset?.step;
  const mark = (index, isOn) => viewer.querySelectorAll(`[data-mark="${index + 1}"]`).forEach((each) => each.classList.toggle("hot", isOn));
  const arrow = (by, text, words) => el("button", { type: "button", "data-step": by, disabled: !order[at + by], "aria-label": words, onclick: () => step(by) }, text);
  const rows = marks.map((detection, index) => {
    const threshold = thresholdOf(detection);
    const isKnown = threshold !== null && threshold !== undefined;
    return el("tr", { "data-mark": index + 1, class: passes(detection) ? "" : "below", onmouseenter: () => mark(index, true), onmouseleave: () => mark(index, false) },
      el("td", { class: "figure" }, String(index + 1)),
      el("th", { scope: "row" }, swatch(detection.label), " ", name(labels[detection.label].name), detection.box ? null : el("span", { class: "quiet small" }, " (whole image)")),
      el("td", { class: "figure" }, percent(detection.confidence, 3)),
      el("td", { class: "figure" }, (passes(detection) ? "passes" : "below") + (isKnown ? ` ${exactly(threshold)}` : "")));
  });
  viewer.replaceChildren(
    el("div", { class: "viewer-head" },
      el("h2", { id: "viewer-title" }, name(image.key)),
      el("div", { class: "buttons" },
        el("span", { class: "quiet figure" }, `${number(at + 1)} of ${number(order.length)}`),
        arrow(-1, "←", "Previous image"), arrow(1, "→", "Next image"),
        el("button", { type: "button", "aria-label": "Close", onclick: () => viewer.close() }, "✕"))),
    el("div", { class: "viewer-body", tabindex: "0", role: "group", "aria-label": "The image and its labels" },
      picture(image, marks, { numbered: true, eager: true }),
      el("div", { class: "details" },
        marks.length
          ? el("div", { class: "scroll" }, el("table", {},
            el("thead", {}, el("tr", {}, ...["#", "Label", "Confidence", "Threshold"].map((head) => el("th", { scope: "col" }, head)))),
            el("tbody", {}, ...rows)))
          : el("p", { class: "quiet" }, "The model found no label in this image."),
        el("dl", { class: "facts" },
          el("dt", {}, "Analyzed"), el("dd", {}, time(image.at)),
          el("dt", {}, "Image"), el("dd", {}, name(`s3://${bucketOf(report.final)}/${image.imageKey}`)),
          el("dt", {}, "Result"), el("dd", {}, name(`s3://${bucketOf(report.final)}/${image.imageKey}.json`))))));
  if (focused) viewer.querySelector(`[data-step="${focused}"]:not(:disabled)`)?.focus();
}

const bucketOf = (uri) => uri.slice("s3://".length).split("/")[0];

viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
viewer.addEventListener("click", (event) => {
  if (event.target === viewer) viewer.close();
});
