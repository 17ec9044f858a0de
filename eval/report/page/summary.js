// The headline: the model to take, the best one for each goal, what changed against ground truth; then one row per model.
const GOALS = {accuracy: "Closest to float", size: "Smallest", speed: "Fastest", poses: "Camera poses", depth: "Depth"};

// Of a single model that is not taken: its cost and accuracy.
function gains() {
  const m = models[0], bad = worst(m);
  const gain = (ratio, better, worse) => ratio >= 1 ? `${times(ratio)} ${better}` : `${times(1 / ratio)} ${worse}`;
  return el("p", {}, el("b", {}, m.name), ` is ${gain(m.compression, "smaller", "larger")} and ${gain(reference.ms_per_image / m.ms_per_image, "faster", "slower")} than the float model` +
    (bad ? `; lowest PSNR ${decibels(bad[1].psnr_db)} (output ${bad[0]}).` : allEqual(m) ? "; all outputs are equal." : "."));
}

// Of --progressive: the smallest model that holds the limits.
function withinLimits() {
  if (!results.progressive) return [];
  const {model, limits} = results.progressive, m = models.find((other) => other.name === model);
  return [{goal: "Smallest within the limits", model: m ? model : reference.name,
    why: m ? `${megabytes(m.size_bytes)}, ${times(m.compression)} smaller than the float model; ${limits.map((l) => l.text).join(", ")}` : "no step holds the limits: the float model is not quantized"}];
}

// One sentence; with --progressive none, as its limits decide.
function recommendation() {
  const taken = results.recommendation;
  if (!taken) return [];
  if (taken.model) return [el("p", {class: "take"}, "Take ", el("b", {}, taken.model), `: ${taken.why}.`)];
  return [models.length === 1 ? gains() : null, el("p", {class: "take"}, `${taken.why[0].toUpperCase()}${taken.why.slice(1)}.`)];
}

function headline() {
  const list = [...withinLimits(), ...results.winners, ...(results.ground_truth_changes ?? [])];
  const configs = [results.recommendation, ...list].map((w) => w?.config).filter((path) => path);
  return el("div", {}, ...recommendation(), list.length ? el("ul", {class: "goals"}, ...list.map((w) => el("li", {},
    el("span", {class: "goal"}, GOALS[w.goal] ?? w.goal), w.model ? el("b", {}, w.model) : null, el("span", {class: "why"}, w.why)))) : null,
    configs.length ? el("p", {class: "hint"}, `Their configs, for --config of vqt-quantize and vqt-eval, are beside this page: ${configs.join(", ")}.`) : null);
}

function summaryTable() {
  const row = (m) => {
    if (m === reference) return [named(m), "float model", megabytes(m.size_bytes), "", milliseconds(m.ms_per_image), "", megabytes(m.peak_memory_bytes), "", ""];
    const bad = worst(m), low = Math.min(...Object.values(m.outputs).map((o) => o.cosine ?? 1));
    return [m.pareto_front && models.length > 1 ? el("span", {}, named(m), " *") : named(m), m.scheme, megabytes(m.size_bytes), times(m.compression), milliseconds(m.ms_per_image), times(reference.ms_per_image / m.ms_per_image),
      megabytes(m.peak_memory_bytes), bad ? el("span", {}, decibels(bad[1].psnr_db), el("br"), el("span", {class: "soft"}, bad[0])) : allEqual(m) ? "inf, all equal" : "–", low === 1 ? "1" : low.toFixed(6)];
  };
  const number = (value) => (m) => m === reference ? null : value(m);
  const starred = "* On the Pareto front: no other model is at least as small, fast and accurate (lowest PSNR) and better in one. Sizes within 1 % and times within 3 % count as equal.";
  return el("div", {}, table({caption: "Summary of all models", rows: everyone, cells: row, columns: [
    {title: "Model", unit: nameStart ? `${models[0].name.slice(0, nameStart)}with` : undefined, words: true, sort: (m) => m.name},
    {title: "Scheme", words: true, sort: (m) => m.scheme ?? ""},
    {title: "File size", unit: "lower is better", sort: (m) => m.size_bytes},
    {title: "Smaller", sort: number((m) => m.compression)},
    {title: "Time per image", unit: "lower is better", sort: (m) => m.ms_per_image},
    {title: "Faster", sort: number((m) => -m.ms_per_image)},
    {title: "Peak memory", unit: "lower is better", sort: (m) => m.peak_memory_bytes},
    {title: "Lowest PSNR", unit: "higher is better", sort: number((m) => worst(m) ? worst(m)[1].psnr_db : allEqual(m) ? Infinity : null)},
    {title: "Lowest cosine", unit: "higher is better", sort: number((m) => Math.min(...Object.values(m.outputs).map((o) => o.cosine ?? 1)))},
  ]}), models.length > 1 ? el("p", {class: "hint"}, starred) : null);
}

function costChart(title, axisTitle, value, text, spans) {
  const spread = spans && everyone.some((m) => spans(m));
  return chartCard(title, () => ({
    better: "Lower is better.", says: everyone.map((m) => `${m.name}: ${text(value(m))}`).join("; ") + ".",
    ...bars({labels: everyone.map(briefName), title: axisTitle, rows: "Model",
      sets: [{values: everyone.map(value), texts: everyone.map((m) => text(value(m))), colours: everyone.map(colourOf), spans: spans && everyone.map(spans)}]}),
    columns: [{title: "Model", words: true}, {title: axisTitle}, ...(spread ? [{title: "Fastest run"}, {title: "Slowest run"}] : [])],
    rows: everyone.map((m) => [m.name, text(value(m)), ...(spread ? spans(m) ?? [NaN, NaN] : []).map((v) => isNumber(v) ? text(v) : "–")]),
  }));
}

const perImage = (m) => {
  const runs = m.timing.scene_ms.map((ms) => ms / scene.pictures.length);
  return runs.length > 1 ? [Math.min(...runs), Math.max(...runs)] : null;
};
const costSection = () => el("div", {class: "charts"},
  costChart("File size", "File size, MB", (m) => m.size_bytes / 1e6, (v) => megabytes(v * 1e6)),
  costChart("Time per image", "Time, ms", (m) => m.ms_per_image, milliseconds, perImage),
  costChart("Peak memory", "Largest resident size, MB", (m) => m.peak_memory_bytes / 1e6, (v) => megabytes(v * 1e6)));
