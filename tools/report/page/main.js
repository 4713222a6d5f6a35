// Puts the page together, and listens to the keyboard.

let shownImages = images;
const tiles = byId("tiles");
const rows = labels.map(labelRow);
const nothing = nothingRow();

const sum = (key) => report.runs.reduce((total, run) => (run[key] === null ? total : (total ?? 0) + run[key]), null);

function drawHead() {
  byId("title").append(name(report.title));
  byId("subtitle").append(name(report.selection), " · ", name(report.final));
  byId("notes").append(...report.notes.map((note) => el("p", { class: "note" }, name(note[0].toUpperCase() + note.slice(1) + "."))));
  byId("foot").append(`Made ${report.made_at.replace("T", " ").replace("+00:00", " UTC")}. Boxes are drawn on the image as its EXIF data turns it: this is what Rekognition does with JPEG files in its other operations, and what is assumed here. The same data, complete, is in data.json.`);
}

// Confidences, by which images have a label, change with the sliders, and so does this.
let withoutLabelNode = null;
function drawSummary() {
  const fact = (term, value) => {
    const there = el("dd", {}, value);
    byId("summary").append(el("div", {}, el("dt", {}, term), there));
    return there;
  };
  fact("Labelled", number(images.length));
  withoutLabelNode = fact("No label", "");
  fact("Failed", number(failures.length));
  if (report.runs.length) {
    fact("Model ran", sum("running_seconds") === null ? "not ours" : duration(sum("running_seconds")));
    fact("Cost", sum("cost_usd") === null ? "not ours" : money(sum("cost_usd")));
  }
}

// --- tabs

const TABS = [["images", "Images"], ["near", "Borderline"], ["failures", "Failures"], ["run", report.runs.length > 1 ? "Runs" : "Run"]];
const tabs = TABS.map(([id, title]) => el("button", {
  type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, class: "tab", onclick: () => select(id),
}, title));
let selected = "images";

function select(id) {
  selected = id;
  TABS.forEach(([each], index) => {
    const isIt = each === id;
    tabs[index].setAttribute("aria-selected", isIt);
    tabs[index].tabIndex = isIt ? 0 : -1;
    byId(`panel-${each}`).hidden = !isIt;
  });
  if (id === "near") drawNear();
}

byId("tabs").addEventListener("keydown", (event) => {
  const at = TABS.findIndex(([id]) => id === selected);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const [id] = TABS.at(to % TABS.length);
  select(id);
  byId(`tab-${id}`).focus();
});

// --- images

let isAsked = false;
function changed() {
  view.page = 0;
  ask();
}

// A slider tells more often than the screen changes.
function ask() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => {
    isAsked = false;
    draw();
  });
}

function draw() {
  const { shown, withoutLabel } = look();
  shownImages = shown;
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  view.page = Math.min(view.page, pages - 1);
  const here = shown.slice(view.page * PAGE, (view.page + 1) * PAGE);
  for (const index of kept.keys()) if (kept.size > 5 * PAGE && !here.some((image) => image.index === index)) kept.delete(index);
  const fresh = here.map(tile);
  // Moving a node that is in its place would lose the focus, and load its image anew.
  if (fresh.length !== tiles.children.length || fresh.some((node, index) => node !== tiles.children[index])) tiles.replaceChildren(...fresh);
  if (!here.length) tiles.replaceChildren(el("li", { class: "empty" }, images.length ? "No image fits these filters. Press r to reset them." : "No image was labelled: all of them failed."));
  const first = view.page * PAGE + 1;
  byId("shown").textContent = shown.length <= PAGE ? count(shown.length, "image") : `${number(first)} to ${number(first + here.length - 1)} of ${count(shown.length, "image")}`;
  drawPager(pages);
  rows.forEach(({ refresh }) => refresh());
  nothing.refresh(withoutLabel);
  withoutLabelNode.textContent = number(withoutLabel);
  const moved = labels.filter((label) => label.chosen !== null).length;
  const picked = labels.filter((label) => label.picked).length + (view.nothing ? 1 : 0);
  byId("filters-state").textContent = [picked && `${picked} ticked`, moved && `${moved} moved`, view.search && "a key"].filter(Boolean).join(", ");
  byId("chosen").hidden = !moved;
  byId("chosen-text").textContent = moved ? terraform() : "";
  if (selected === "near") drawNear();
}

function turn(by) {
  view.page = Math.max(0, view.page + by);
  draw();
  byId("panel-images").scrollIntoView({ block: "start" });
}

function drawPager(pages) {
  const button = (by, text, isOff) => el("button", { type: "button", "data-by": by, disabled: isOff, onclick: () => turn(by) }, text);
  const focused = document.activeElement?.dataset?.by;
  byId("pager").hidden = pages < 2;
  byId("pager").replaceChildren(button(-1, "Previous", view.page === 0), el("span", { class: "figure" }, `Page ${number(view.page + 1)} of ${number(pages)}`), button(1, "Next", view.page === pages - 1));
  if (focused) (byId("pager").querySelector(`[data-by="${focused}"]:not(:disabled)`) ?? byId("pager").querySelector("button:not(:disabled)"))?.focus();
}

function reset() {
  for (const label of labels) Object.assign(label, { chosen: null, picked: false });
  Object.assign(view, { search: "", sort: "key", nothing: false });
  byId("search").value = "";
  byId("sort").value = "key";
  changed();
}

// --- near the threshold

function drawNear() {
  const { below, above } = near();
  const part = (title, items, empty) => {
    const through = [...new Set(items.map(({ detection }) => detection.image))];
    return el("section", { class: "group" },
    el("h2", {}, title, " ", el("span", { class: "quiet figure" }, number(items.length))),
    ...(items.length ? growing(el("ul", { class: "tiles", "aria-label": title }), items, (item) => nearTile(item, through)) : [el("p", { class: "empty" }, empty)]));
  };
  byId("panel-near").replaceChildren(
    el("p", { class: "quiet" }, "Labels nearest to their threshold, the nearest first. A threshold that you move counts here too."),
    part("Just below", below, "The results hold nothing below a threshold. Set candidate_min_confidence to keep it from the next run on."),
    part("Just above", above, "Nothing lies above a threshold."));
}

// --- the keyboard

const KEYS = [
  ["1 to 4", "the tabs"],
  ["/", "find a key"],
  ["Arrow keys", "from tile to tile; in an opened image, to the previous or next one"],
  ["Enter", "opens the image"],
  ["Esc", "closes it"],
  ["n, p", "next and previous page"],
  ["b", "boxes on or off"],
  ["r", "resets filters and thresholds"],
  ["?", "this list"],
];

function drawHelp() {
  byId("help").append(
    el("div", { class: "viewer-head" }, el("h2", { id: "help-title" }, "Keyboard"),
      el("button", { type: "button", "aria-label": "Close", onclick: () => byId("help").close() }, "✕")),
    el("dl", { class: "keys" }, ...KEYS.flatMap(([keys, what]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, what)])));
}

// To the next tile in a row, or to the one above or below.
function move(button, key) {
  const every = [...button.closest("ul").querySelectorAll(".tile")];
  const at = every.indexOf(button);
  const across = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: every.length - 1 }[key];
  let to = every[across];
  if (across === undefined) {
    const here = button.getBoundingClientRect();
    const rowsAway = every.map((each) => [each, each.getBoundingClientRect()])
      .filter(([, place]) => (key === "ArrowDown" ? place.top > here.top + 1 : place.top < here.top - 1) && Math.abs(place.left - here.left) < 2);
    to = (key === "ArrowDown" ? rowsAway[0] : rowsAway.at(-1))?.[0];
  }
  to?.focus();
}

const isTyping = (node) => node.matches("input[type=search], select, textarea");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const { target, key } = event;
  if (isTyping(target)) {
    if (key === "Escape") target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  if (target.matches(".tile") && /^(Arrow|Home$|End$)/.test(key)) {
    event.preventDefault();
    move(target, key);
    return;
  }
  const act = {
    "/": () => {
      select("images");
      byId("filters").open = true;
      byId("search").focus();
    },
    "?": () => byId("help").showModal(),
    b: () => byId("boxes").click(),
    n: () => turn(1),
    p: () => turn(-1),
    r: reset,
    ...Object.fromEntries(TABS.map(([id], index) => [String(index + 1), () => select(id)])),
  }[key];
  if (!act) return;
  event.preventDefault();
  act();
});

// --- the first look

drawHead();
drawSummary();
drawHelp();
byId("tabs").append(...tabs);
for (const [id, list] of [["images", images], ["failures", failures]]) {
  byId(`tab-${id}`).append(" ", el("span", { class: "badge figure" }, number(list.length)));
}
byId("labels").append(...rows.map(({ row }) => row), nothing.row);
byId("search").addEventListener("input", (event) => {
  view.search = event.target.value;
  changed();
});
byId("sort").addEventListener("change", (event) => {
  view.sort = event.target.value;
  changed();
});
byId("boxes").addEventListener("change", (event) => document.body.classList.toggle("no-boxes", !event.target.checked));
byId("reset").addEventListener("click", reset);
byId("help-button").addEventListener("click", () => byId("help").showModal());
byId("help").addEventListener("click", (event) => {
  if (event.target === byId("help")) byId("help").close();
});
if (matchMedia("(max-width: 760px)").matches) byId("filters").open = false;
drawFailures(byId("panel-failures"));
drawRuns(byId("panel-run"));
draw();
select(images.length ? "images" : "failures");
