// The runs: how they ended, how long their phases took, and what they cost; and the images that failed.

const PHASES = [
  ["starting_seconds", "Start of the model", false],
  ["to_first_image_seconds", "Until the first image", true],
  ["labelling_seconds", "Labelling", true],
  ["to_stop_seconds", "Until the stop", true],
  ["stopping_seconds", "Stop of the model", false],
];

const outcomeOf = (run) => visible(run.outcome[0].toUpperCase() + run.outcome.slice(1).replaceAll("_", " "));
const isGood = (run) => run.outcome === "completed" && !run.error;

function phaseBar(run) {
  const known = PHASES.map(([key, title, billed]) => ({ title, billed, seconds: run.phases[key] ?? null }));
  const total = known.reduce((sum, phase) => sum + (phase.seconds ?? 0), 0);
  if (!total) return el("p", { class: "quiet" }, "This run did not start the model, so it has no phases.");
  let x = 0;
  const parts = known.map(({ seconds, title }, index) => {
    const width = ((seconds ?? 0) / total) * 1000;
    const part = svg("rect", { class: `phase phase-${index}`, x, y: 0, width: Math.max(0, width - 2), height: 20 }, svg("title", {}, `${title}: ${duration(seconds)}`));
    x += width;
    return part;
  });
  return el("div", {},
    svg("svg", { class: "phases", viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts),
    el("div", { class: "scroll" }, el("table", { class: "phase-table" },
      el("thead", {}, el("tr", {}, ...["Phase", "Time", "Share", "Billed"].map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...known.map(({ title, billed, seconds }, index) => el("tr", {},
        el("th", { scope: "row" }, el("span", { class: `swatch phase-${index}`, "aria-hidden": "true" }), " ", title),
        el("td", { class: "figure" }, seconds === null ? "not seen" : duration(seconds)),
        el("td", { class: "figure" }, seconds === null ? "" : `${Math.round((seconds / total) * 100)}%`),
        el("td", {}, billed ? "yes" : "unknown")))))));
}

function runCard(run, isOpen) {
  const paid = run.running_seconds === null && run.cost_usd === null ? "someone else runs the model, and pays for it" : null;
  const fact = (term, value) => (value === null || value === undefined ? [] : [el("dt", {}, term), el("dd", {}, value)]);
  return el("details", { class: "card run", open: isOpen },
    el("summary", {},
      el("span", { class: isGood(run) ? "outcome good" : "outcome" }, outcomeOf(run)), " ",
      name(run.run_id, { class: "run-id" }), " ",
      el("span", { class: "quiet figure" }, `${time(run.started_at)}, ${count(run.processed ?? 0, "image")} labelled, ${number(run.failed ?? 0)} failed`)),
    run.error ? el("p", { class: "note bad" }, name(run.error)) : null,
    run.reason ? el("p", { class: "note" }, name(run.reason)) : null,
    phaseBar(run),
    el("dl", { class: "facts" },
      fact("Began", time(run.started_at)), fact("Ended", time(run.finished_at)),
      fact("Labelled", number(run.processed ?? 0)), fact("Failed", number(run.failed ?? 0)),
      run.dead_lettered ? fact("Dead-lettered", `${count(run.dead_lettered, "image")}: the dead-letter queue has the reasons`) : [],
      fact("Model ran", paid ?? duration(run.running_seconds)),
      fact("Inference units", run.inference_units), fact("Chosen because", run.sizing && name(run.sizing)),
      paid ? [] : fact("Cost", money(run.cost_usd)),
      run.usd_per_1000_images === null ? [] : fact("Per 1,000 images", money(run.usd_per_1000_images)),
      run.idle_share === null ? [] : fact("Idle", `${Math.round(run.idle_share * 100)}% of the time that the model ran`),
      run.calls_throttled ? fact("Throttled", count(run.calls_throttled, "call")) : []));
}

function drawRuns(panel) {
  const idle = report.idle_runs
    ? el("p", { class: "quiet" }, `${count(report.idle_runs, "run")} started no model: there was nothing to do, too little to do, another run, or a limit.`)
    : null;
  if (!report.runs.length) {
    panel.append(el("p", { class: "empty" }, report.idle_runs ? "No run used the model." : "There is no receipt, so the phases and the cost of the run are not known."), idle ?? "");
    return;
  }
  const list = el("div", { class: "cards" });
  panel.append(...growing(list, report.runs, (run) => runCard(run, run === report.runs[0])), idle ?? "");
}

function drawFailures(panel) {
  if (!failures.length) {
    panel.append(el("p", { class: "empty" }, "No image failed."));
    return;
  }
  const codes = new Map();
  for (const failure of failures) {
    if (!codes.has(failure.code)) codes.set(failure.code, []);
    codes.get(failure.code).push(failure);
  }
  panel.append(el("p", { class: "quiet" }, "These images can never be labelled as they are. Each lies under failed/ in the final bucket, beside its reason."));
  for (const [code, group] of [...codes].sort((one, other) => other[1].length - one[1].length)) {
    const list = el("ul", { class: "failures" });
    panel.append(el("section", { class: "group" },
      el("h2", {}, name(code), " ", el("span", { class: "quiet figure" }, number(group.length))),
      ...growing(list, group, (failure) => el("li", { class: "card failure" },
        failure.file ? picture(failure, []) : el("span", { class: "frame missing" }, el("span", {}, "no picture")),
        el("div", {},
          el("p", { class: "failure-key" }, name(failure.key)),
          el("p", {}, name(failure.message)),
          el("p", { class: "quiet small" }, time(failure.at)))))));
  }
}
