// Tiles: an image with its boxes, what it is called, and its labels.

const PAGE = 60;
const COLOURS = 8;
const BOX_STEPS = 10000;

// The picture keeps its sides' ratio in any frame, and so do the boxes: object-fit: contain and `meet` are the same.
function picture({ file, width, height, key }, marks, { numbered = false, eager = false } = {}) {
  if (!file) return el("span", { class: "frame missing" }, el("span", {}, "The image is not there any more, or cannot be shown."));
  const across = (steps) => (steps * width) / BOX_STEPS;
  const down = (steps) => (steps * height) / BOX_STEPS;
  const boxes = marks.flatMap((detection, index) => {
    if (!detection.box) return [];
    const [left, top, wide, high] = detection.box;
    const place = { x: across(left), y: down(top), width: across(wide), height: down(high), "vector-effect": "non-scaling-stroke" };
    const colour = `colour-${detection.label % COLOURS}`;
    const size = Math.max(width, height) / 36;
    const text = numbered && svg("text", { class: `mark ${colour}`, x: place.x + size * 0.3, y: place.y + size * 1.05, "font-size": size }, String(index + 1));
    return [svg("g", { class: passes(detection) ? "box" : "box below", "data-mark": index + 1 },
      svg("rect", { class: "halo", ...place }), svg("rect", { class: `line ${colour}`, ...place }), ...(text ? [text] : []))];
  });
  return el("span", { class: "frame" },
    el("img", { src: file, width, height, alt: "", loading: eager ? "eager" : "lazy", decoding: "async", draggable: "false" }),
    svg("svg", { class: "boxes", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" }, ...boxes));
}

const swatch = (label) => el("span", { class: `swatch colour-${label % COLOURS}`, "aria-hidden": "true" });

function chip(detection) {
  return el("span", { class: passes(detection) ? "chip" : "chip below" },
    swatch(detection.label), name(labels[detection.label].name, { class: "chip-name" }), " ",
    el("span", { class: "figure" }, percent(detection.confidence)));
}

const CHIPS = 3;

// What is said of a tile changes with the thresholds, its image does not, and so is kept.
const kept = new Map();

function tile(image) {
  if (!kept.has(image.index)) {
    const node = el("li", {}, el("button", { type: "button", class: "tile", onclick: () => openViewer(image, shownImages) }));
    kept.set(image.index, { node, button: node.firstChild, said: null });
  }
  const entry = kept.get(image.index);
  const marks = passing(image);
  const said = marks.map((detection) => detection.confidence + ":" + detection.label).join();
  if (entry.said !== said) {
    const fresh = picture(image, marks);
    const img = entry.said !== null && entry.button.querySelector("img");
    if (img) fresh.replaceChild(img, fresh.firstChild);
    const more = marks.length - CHIPS;
    entry.button.replaceChildren(fresh,
      el("span", { class: "key" }, name(image.key)),
      el("span", { class: "chips" }, ...marks.slice(0, CHIPS).map(chip),
        marks.length ? null : el("span", { class: "quiet" }, "no label"),
        more > 0 ? el("span", { class: "quiet" }, `${more} more`) : null));
    entry.said = said;
  }
  return entry.node;
}

function nearTile({ detection, threshold, distance }, through) {
  const { image } = detection;
  const side = passes(detection) ? "above" : "below";
  const told = threshold === null ? "threshold not known" : `${distance < 1000 ? exactly(distance) : percent(distance)} ${side} ${exactly(threshold)}`;
  return el("li", {}, el("button", { type: "button", class: "tile", onclick: () => openViewer(image, through) },
    picture(image, [detection]),
    el("span", { class: "key" }, name(image.key)),
    el("span", { class: "chips" }, chip(detection), el("span", { class: "quiet" }, told))));
}

// A list that grows: its first items, and a button for more.
function growing(list, items, make, step = 24) {
  let there = 0;
  const button = el("button", { type: "button", class: "more", onclick: () => grow(true) });
  const grow = (isAsked) => {
    const fresh = items.slice(there, there + step).map(make);
    list.append(...fresh);
    there += fresh.length;
    const left = items.length - there;
    button.hidden = left <= 0;
    button.textContent = `Show ${number(Math.min(step, left))} more of ${number(left)}`;
    if (isAsked) fresh[0]?.querySelector("button")?.focus();
  };
  grow(false);
  return [list, button];
}
