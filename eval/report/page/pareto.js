// Accuracy against size, time or memory, with the models that no other beats in both.
const COSTS = [
  ["File size", "File size, MB", (m) => m.size_bytes / 1e6, (v) => megabytes(v * 1e6)],
  ["Time per image", "Time per image, ms", (m) => m.ms_per_image, milliseconds],
  ["Peak memory", "Peak memory, MB", (m) => m.peak_memory_bytes / 1e6, (v) => megabytes(v * 1e6)],
];
// title, axis, value, text, more is better
const QUALITIES = [
  ["Lowest PSNR of all outputs", "Lowest PSNR, dB", (m) => m === reference || !worst(m) ? null : worst(m)[1].psnr_db, decibels, true],
  ...outputs.map((o) => [`PSNR of ${o}`, "PSNR, dB", (m) => m === reference ? null : m.outputs[o].psnr_db, decibels, true]),
  ...truthMetrics().map(({group, key, title, unit, more}) =>
    [`${title} (ground truth)`, unit ? `${title}, ${unit}` : title, (m) => m.ground_truth ? m.ground_truth[group][key] : null, (v) => truthText(v, unit), more]),
];

// Points that no other point equals or beats in both. Sorted by cost.
function paretoFront(points, more) {
  const sign = more ? 1 : -1;
  const beats = (a, b) => a.cost <= b.cost && sign * a.quality >= sign * b.quality && (a.cost < b.cost || a.quality !== b.quality);
  return points.filter((p) => !points.some((q) => beats(q, p))).sort((a, b) => a.cost - b.cost);
}

// A ring around what data sets with `ringed` draw.
const rings = {
  id: "rings",
  afterDatasetsDraw(chart) {
    const {ctx} = chart;
    ctx.save();
    ctx.strokeStyle = css("--ink");
    ctx.lineWidth = 1.2;
    chart.data.datasets.forEach((set, d) => set.ringed && chart.getDatasetMeta(d).data.forEach((p) => {
      ctx.beginPath();
      ctx.arc(p.x, p.y, 11, 0, 2 * Math.PI);
      ctx.stroke();
    }));
    ctx.restore();
  },
};

function paretoChart() {
  const known = QUALITIES.filter(([, , value]) => models.some((m) => isNumber(value(m))));
  if (!known.length) return null;
  const quality = select(known.map(([title]) => title)), cost = select(COSTS.map(([title]) => title));
  labelled("Accuracy", quality);
  labelled("against", cost);
  const make = () => {
    const [qualityTitle, qualityAxis, qualityOf, qualityText, more] = known[quality.value];
    const [costTitle, costAxis, costOf, costText] = COSTS[cost.value];
    const points = everyone.map((m) => ({model: m, cost: costOf(m), quality: qualityOf(m)})).filter((p) => isNumber(p.quality));
    const front = paretoFront(points, more), onFront = new Set(front.map((p) => p.model));
    const left = everyone.filter((m) => m !== reference && !points.some((p) => p.model === m)).map((m) => m.name);
    const corner = `the best corner is the ${more ? "upper" : "lower"} left one`;
    const better = `${more ? "Higher" : "Lower"} is more accurate, further left is ${["smaller", "faster", "smaller"][cost.value]}: ${corner}. ` +
      "Filled and joined: no other model is better in both." + (models.length > 1 ? " Ringed (* in the table): on the front of size, lowest PSNR and time." : "") +
      (highlightedHint ? ` Labels and colours: ${highlighted.length} of ${models.length} models, the best ones and that front first.` : "") + (reference && !points.some((p) => p.model === reference) ? ` The float model: ${costText(costOf(reference))}.` : "") +
      (left.length ? ` Not drawn, without such a value: ${left.join(", ")}.` : "");
    return {
      better, says: `${qualityTitle} against ${costTitle}. Not dominated: ${front.map((p) => `${p.model.name} (${costText(p.cost)}, ${qualityText(p.quality)})`).join("; ")}.`,
      height: innerWidth < 600 ? 320 : 380,
      columns: [{title: "Model", words: true}, {title: costAxis}, {title: qualityAxis}, {title: "Not dominated", words: true}, {title: "Front of size, PSNR and time", words: true}],
      rows: points.map((p) => [named(p.model), costText(p.cost), qualityText(p.quality), onFront.has(p.model) ? "yes" : "no", p.model === reference ? "–" : p.model.pareto_front ? "yes" : "no"]),
      config: {
        type: "scatter", plugins: [rings, pointNames],
        data: {datasets: [
          ...points.map((p) => ({...dots(p.model), label: p.model.name, ringed: models.length > 1 && p.model.pareto_front,
            names: [p.model === reference || highlighted.includes(p.model) ? briefName(p.model) : ""], data: [{x: p.cost, y: p.quality}], pointRadius: 7, pointHoverRadius: 9,
            backgroundColor: onFront.has(p.model) ? colourOf(p.model) : css("--panel")})),
          {label: "front", data: front.map((p) => ({x: p.cost, y: p.quality})), showLine: true, stepped: "before", borderDash: [5, 4], borderWidth: 1.5,
            borderColor: css("--soft"), pointRadius: 0, pointHoverRadius: 0, pointHitRadius: 0},
        ]},
        options: {
          layout: {padding: {right: 8, top: 8}},
          plugins: {legend: {display: false}, tooltip: {callbacks: {label: (c) => `${c.dataset.label}: ${costText(c.parsed.x)}, ${qualityText(c.parsed.y)}`}}},
          scales: {x: axis(costAxis, {grace: "12%"}), y: axis(qualityAxis, {grace: "15%"})},
        },
      },
    };
  };
  return chartCard("Accuracy against cost", make, [quality, cost]);
}
