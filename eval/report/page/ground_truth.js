// Scores of each model against ground truth; results.ground_truth describes the ground truth.
const TRUTH = [
  ["pose", "auc_3", "AUC@3", "%", true], ["pose", "auc_5", "AUC@5", "%", true], ["pose", "auc_15", "AUC@15", "%", true], ["pose", "auc_30", "AUC@30", "%", true],
  ["pose", "rotation_median_deg", "Rotation", "degrees", false], ["pose", "translation_median_deg", "Translation", "degrees", false],
  ["depth", "abs_rel", "AbsRel", "", false], ["depth", "rmse", "RMSE", "scene units", false], ["depth", "delta_1_25", "delta < 1.25", "%", true],
  ["points", "accuracy", "Accuracy", "scene units", false], ["points", "completeness", "Completeness", "scene units", false],
  ["points", "overall", "Overall", "scene units", false],
].map(([group, key, title, unit, more]) => ({group, key, title, unit, more}));
// The metrics that some model has a score of.
function truthMetrics() {
  if (!results.ground_truth) return [];
  return TRUTH.filter(({group, key}) => everyone.some((m) => m.ground_truth && m.ground_truth[group] && isNumber(m.ground_truth[group][key])));
}
const truthNumber = (value) => !isNumber(value) ? "–" : value.toFixed(Math.abs(value) >= 10 ? 1 : 3);
const truthText = (value, unit) => truthNumber(value) + (unit === "%" ? " %" : unit === "degrees" ? "°" : "");

function truthSection() {
  const metrics = truthMetrics(), scored = everyone.filter((m) => m.ground_truth);
  const score = (m, part, {group, key}) => {
    const scores = part ? m.ground_truth[part] : m.ground_truth;
    return scores && scores[group] ? scores[group][key] : null;
  };
  const cell = (m, metric) => {
    const text = truthNumber(score(m, "", metric)), difference = score(m, "difference", metric), interval = score(m, "difference_interval_95", metric);
    if (m === reference || !isNumber(difference)) return text;
    const sure = score(m, "significant", metric);
    const way = !sure || difference === 0 ? "soft" : (difference > 0) === metric.more ? "better" : "worse";
    return el("span", {title: interval ? `95 %: ${truthNumber(interval[0])} to ${truthNumber(interval[1])}` : ""}, text, el("br"),
      el("span", {class: way}, (difference > 0 ? "+" : "") + (difference !== 0 && Math.abs(difference) < 1e-3 ? small(difference) : truthNumber(difference)) + (interval && !sure ? " (n.s.)" : "")));
  };
  const truth = results.ground_truth;
  return [el("p", {class: "soft"}, `Against ${truth.folder}: ${plural(truth.pictures, "image")} with a known pose` +
    (truth.depth_source ? `, depth from ${truth.depth_source}` : "") + ". Second lines are differences from the float model" +
    (scored.some((m) => metrics.some((k) => score(m, "difference_interval_95", k))) ? "; n.s., not significant: their 95 % interval (1000 resamples of the images) holds 0 or rests on less than 6 images, or they are below 1 % of the float model's value." : ".")),
    table({caption: "Scores against ground truth", rows: scored, cells: (m) => [named(m), ...metrics.map((k) => cell(m, k))],
      columns: [{title: "Model", words: true, sort: (m) => m.name}, ...metrics.map((k) => ({title: k.title,
        unit: `${k.unit ? k.unit + ", " : ""}${k.more ? "higher" : "lower"} is better`, sort: (m) => score(m, "", k)}))]})];
}
