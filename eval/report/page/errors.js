// Errors against the float model: of every output, their distribution inside one output, of every layer.
const METRICS = {
  psnr_db: ["PSNR", "dB", "Higher is better", (m) => m.psnr_db, psnr],
  distance: ["1 - cosine", "", "Lower is better", (m) => m.cosine === null ? null : 1 - m.cosine, (m) => small(m.cosine === null ? null : 1 - m.cosine)],
  mae: ["MAE", "in the output's own unit", "Lower is better", (m) => m.mae, (m) => small(m.mae)],
  rmse: ["RMSE", "in the output's own unit", "Lower is better", (m) => m.rmse, (m) => small(m.rmse)],
  max_error: ["Largest error", "in the output's own unit", "Lower is better", (m) => m.max_error, (m) => small(m.max_error)],
};

function outputsChart() {
  const keys = Object.keys(METRICS).filter((k) => models.some((m) => outputs.some((o) => isNumber(METRICS[k][3](m.outputs[o])))));
  if (!keys.length) return null;
  const choice = select(keys.map((k) => METRICS[k][0]));
  labelled("Metric", choice);
  const make = () => {
    const key = keys[choice.value], [title, unit, better, value, text] = METRICS[key];
    const axisTitle = unit ? `${title}, ${unit}` : title;
    const one = {
      better: `${better}.` + (key === "psnr_db" ? " 20 dB more means a tenth of the error; the peak is the range of the float output." : " Logarithmic.") + highlightedHint,
      says: models.map((m) => `${m.name}: ${outputs.map((o) => `${o} ${text(m.outputs[o])}`).join(", ")}`).join("; ") + ".",
      columns: [{title: "Output", words: true}, ...models.map((m) => ({title: m.name, unit: unit || undefined}))],
      rows: outputs.map((o) => [o, ...models.map((m) => text(m.outputs[o]))]),
    };
    if (key === "psnr_db") {
      return {...one, ...bars({labels: outputs, title: axisTitle, rows: "Output", unit, sets: highlighted.map((m) => ({label: shortened(briefName(m), 28), colours: colourOf(m),
        values: outputs.map((o) => value(m.outputs[o])), texts: outputs.map((o) => text(m.outputs[o]))}))})};
    }
    return {...one, height: outputs.length * 34 + 100, config: {
      type: "line",
      data: {labels: outputs, datasets: highlighted.map((m) => ({...dots(m), label: shortened(briefName(m), 28), showLine: false,
        data: outputs.map((o) => { const v = value(m.outputs[o]); return isNumber(v) && v > 0 ? v : null; })}))},
      options: {indexAxis: "y", plugins: {legend: legendOf(true), tooltip: {callbacks: {label: (c) => `${c.dataset.label}: ${small(c.parsed.x)}`}}},
        scales: {x: logarithm(axisTitle), y: {...categories("Output"), offset: true, grid: {color: css("--line"), borderColor: css("--line")}}}},
    }};
  };
  return chartCard("Error of every output", make, [choice]);
}

const QUANTILES = [["p50", "50 %"], ["p90", "90 %"], ["p99", "99 %"], ["max_error", "100 %"]];
function quantilesChart() {
  const known = outputs.filter((o) => models.some((m) => QUANTILES.some(([k]) => m.outputs[o][k] > 0)));
  if (!known.length) return null;
  const choice = select(known);
  choice.value = Math.max(0, known.findIndex((o) => /(^|\.)depth$/.test(o)));
  labelled("Output", choice);
  const make = () => {
    const output = known[choice.value], info = reference.outputs[output];
    const text = (m) => QUANTILES.map(([k, title]) => `${title} below ${small(m.outputs[output][k])}`).join(", ");
    return {
      better: `Lower is better. For each share of the values of ${output}: their largest error against the float model. ` +
        `Shape [${info.shape.join(", ")}], float from ${small(info.min)} to ${small(info.max)}.` + highlightedHint,
      says: models.map((m) => `${m.name}: ${text(m)}`).join("; ") + ".", height: 320,
      columns: [{title: "Model", words: true}, {title: "PSNR", unit: "dB"}, {title: "Cosine"}, {title: "MAE"}, {title: "RMSE"},
        ...QUANTILES.map(([k, title]) => ({title: k === "max_error" ? "Largest" : title})), {title: "NaN or Inf"}],
      rows: models.map((m) => { const v = m.outputs[output];
        return [named(m), psnr(v), cosine(v), small(v.mae), small(v.rmse), ...QUANTILES.map(([k]) => small(v[k])), String(v.nonfinite)]; }),
      config: {
        type: "line",
        data: {labels: QUANTILES.map(([, title]) => title), datasets: highlighted.map((m) => ({...dots(m), label: shortened(briefName(m), 28), borderWidth: 2,
          data: QUANTILES.map(([k]) => m.outputs[output][k] > 0 ? m.outputs[output][k] : null)}))},
        options: {plugins: {legend: legendOf(true), tooltip: {callbacks: {label: (c) => `${c.dataset.label}: ${small(c.parsed.y)}`}}},
          scales: {x: {...axis("Share of the values", {type: "category", grid: false}), offset: true}, y: {...logarithm("Absolute error"), suggestedMax: 1.3 * Math.max(...models.map((m) => m.outputs[output].max_error ?? 0))}}},
      },
    };
  };
  return chartCard("Error percentiles", make, [choice]);
}

const LAYER_METRICS = [["weight_sqnr_db", "SQNR of the weight, dB", "of the stored weight against the float weight"],
  ["output_sqnr_db", "SQNR of the output, dB", "of the layer's output against the float layer's"]];
// Module groups: neighbouring layers whose names begin with the same words.
function moduleGroups(names, depth = 2) {
  const found = [];
  names.forEach((name, i) => {
    const words = name.split("."), group = words.slice(0, Math.min(depth, words.length - 1)).filter((w) => !/^\d+$/.test(w)).join(".") || words[0];
    if (!found.length || found[found.length - 1].group !== group) found.push({group, first: i});
  });
  return found.length <= 12 ? found : depth > 1 ? moduleGroups(names, depth - 1) : [];
}
const groupLines = {
  id: "groupLines",
  beforeDatasetsDraw({ctx, chartArea, scales: {x}, config}) {
    ctx.save();
    ctx.strokeStyle = css("--soft");
    ctx.setLineDash([2, 4]);
    for (const {first} of config.options.groups.slice(1)) {
      const at = x.getPixelForValue(first + 0.5);
      ctx.beginPath();
      ctx.moveTo(at, chartArea.top);
      ctx.lineTo(at, chartArea.bottom);
      ctx.stroke();
    }
    ctx.restore();
  },
};
function layersChart() {
  const shown = highlighted.filter((m) => Array.isArray(m.sites));
  const known = LAYER_METRICS.filter(([k]) => shown.some((m) => m.sites.some((s) => isNumber(s[k]))));
  if (!known.length) return null;
  const names = shown.reduce((a, b) => b.sites.length > a.sites.length ? b : a).sites.map((s) => s.name);
  const place = new Map(names.map((n, i) => [n, i]));
  const choice = select(known.map(([, title]) => title));
  labelled("Metric", choice);
  const make = () => {
    const [key, title, meaning] = known[choice.value], groups = moduleGroups(names);
    const of = (m) => new Map(m.sites.map((s) => [s.name, s[key]]));
    const values = shown.map(of);
    const lowest = shown.map((m, i) => [...values[i]].filter(([, v]) => isNumber(v)).reduce((a, b) => !a || b[1] < a[1] ? b : a, null));
    const list = groups.map((g) => `${g.group} from ${g.first + 1}`);
    return {
      better: `Higher is better: signal to quantization noise ${meaning}, from the first layer to the last. 6 dB are one bit.` +
        (groups.length > 1 ? ` Module groups: ${list.join(", ")}.` : "") +
        (highlightedHint ? ` Shows ${shown.length} of ${models.length} models, the best ones and the Pareto front first.` : ""),
      says: shown.map((m, i) => lowest[i] ? `${m.name}: lowest ${decibels(lowest[i][1])} at ${lowest[i][0]}` : `${m.name}: none`).join("; ") + ".",
      height: 340,
      columns: [{title: "Layer", words: true}, ...shown.map((m) => ({title: m.name, unit: "dB"}))],
      rows: names.map((n, i) => [`${i + 1} ${n}`, ...values.map((v) => isNumber(v.get(n)) ? v.get(n).toFixed(1) : "–")]),
      config: {
        type: "scatter", plugins: [groupLines],
        data: {datasets: shown.map((m, k) => ({...dots(m), label: shortened(briefName(m), 28), showLine: true, borderWidth: 1.2, pointRadius: names.length > 120 ? 1.5 : 3, pointBorderWidth: 1,
          data: [...values[k]].filter(([n, v]) => isNumber(v) && place.has(n)).map(([n, v]) => ({x: place.get(n) + 1, y: v, name: n}))}))},
        options: {
          groups,
          plugins: {legend: legendOf(true), tooltip: {callbacks: {title: (c) => c[0].raw.name, label: (c) => `${c.dataset.label}: ${decibels(c.parsed.y)}`}}},
          scales: {x: axis("Layer, in the order of the network", {min: 0, max: names.length + 1, grid: false}), y: axis(title, {grace: "5%"})},
        },
      },
    };
  };
  return chartCard("Error of every layer", make, known.length > 1 ? [choice] : []);
}
