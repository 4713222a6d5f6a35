// The data, the thresholds that are chosen, and what passes them. No element is touched here.

const report = JSON.parse(byId("data").textContent);

const images = report.results.map(([key, imageKey, file, width, height, at, setting, found], index) => {
  const image = { index, key, imageKey, file, width, height, at, folded: key.toLowerCase() };
  image.detections = found.map(([label, confidence, below, ...box]) => ({
    image,
    label,
    confidence,
    below: below === 1,
    threshold: report.settings[setting][label],
    box: box.length ? box : null,
  }));
  return image;
});

const failures = report.failures.map(([key, imageKey, file, width, height, at, , code, message]) => (
  { key, imageKey, file, width, height, at, code, message }
));

const all = images.flatMap((image) => image.detections);

const byLabel = report.labels.map(() => []);
for (const detection of all) byLabel[detection.label].push(detection);

const labels = report.labels.map((label, index) => {
  const own = byLabel[index];
  const thresholds = new Set(own.map((detection) => detection.threshold));
  return {
    name: label,
    index,
    detections: own,
    // The one threshold in force for all, in thousandths; null when it is not known, or not the same for all.
    threshold: thresholds.size === 1 ? [...thresholds][0] : null,
    lowest: own.filter((detection) => !detection.below).reduce((least, each) => Math.min(least, each.confidence), 100000),
    // What the slider says; null: as labelled.
    chosen: null,
    picked: false,
    images: 0,
    lastSeen: null,
  };
});

const view = { search: "", sort: "key", nothing: false, page: 0, boxes: true };

function passes(detection) {
  const { chosen } = labels[detection.label];
  return chosen === null ? !detection.below : detection.confidence >= chosen;
}

const thresholdOf = (detection) => labels[detection.label].chosen ?? detection.threshold;
const passing = (image) => image.detections.filter(passes);

// One look at each detection: the images with each label, the images without any, and those that are shown.
function look() {
  const anyPicked = view.nothing || labels.some((label) => label.picked);
  const search = view.search.toLowerCase();
  let withoutLabel = 0;
  const shown = [];
  for (const label of labels) Object.assign(label, { images: 0, lastSeen: null });
  for (const image of images) {
    let top = -1;
    let isEmpty = true;
    let wanted = !anyPicked;
    for (const detection of image.detections) {
      if (!passes(detection)) continue;
      const label = labels[detection.label];
      // Once an image, however often it is found there.
      if (label.lastSeen !== image) label.images += 1;
      label.lastSeen = image;
      isEmpty = false;
      wanted ||= label.picked;
      // The order is by what was picked.
      if (label.picked || !anyPicked) top = Math.max(top, detection.confidence);
    }
    if (isEmpty) {
      withoutLabel += 1;
      wanted ||= view.nothing;
    }
    if (wanted && image.folded.includes(search)) shown.push([image, top]);
  }
  // The data is in the order of the keys. Images without a label come last.
  if (view.sort === "high") shown.sort((one, other) => other[1] - one[1]);
  if (view.sort === "low") shown.sort((one, other) => (one[1] < 0 ? Infinity : one[1]) - (other[1] < 0 ? Infinity : other[1]) || 0);
  return { shown: shown.map(([image]) => image), withoutLabel };
}

// What lies nearest to its threshold, on both sides.
function near() {
  const below = [];
  const above = [];
  for (const detection of all) {
    const threshold = thresholdOf(detection);
    const distance = threshold === null || threshold === undefined ? null : Math.abs(detection.confidence - threshold);
    (passes(detection) ? above : below).push({ detection, threshold: threshold ?? null, distance });
  }
  // Without a known threshold: below it the most confident are the nearest, above it the least confident.
  const nearest = (sign) => (one, other) => {
    if (one.distance !== null && other.distance !== null) return one.distance - other.distance;
    if (one.distance === null && other.distance === null) return sign * (one.detection.confidence - other.detection.confidence);
    return one.distance === null ? 1 : -1;
  };
  return { below: below.sort(nearest(-1)), above: above.sort(nearest(1)) };
}

// The inputs that would label the next images as it is chosen here. The module takes label_thresholds only beside
// min_confidence, which is for all other labels.
function terraform() {
  const others = report.min_confidence === null ? "# and min_confidence, for all other labels" : `min_confidence = ${report.min_confidence}`;
  const text = (value) => JSON.stringify(value).replaceAll("${", "$${").replaceAll("%{", "%%{");
  const chosen = labels.filter((label) => label.chosen !== null);
  return `${others}\nlabel_thresholds = {\n${chosen.map((label) => `  ${text(label.name)} = ${exactly(label.chosen)}\n`).join("")}}`;
}
