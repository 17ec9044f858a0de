"use strict";
// Draws the report out of the JSON in #data. Texts only ever enter the page as text nodes, so nothing needs escaping.
const {results, depth_maps: depthMaps, colours} = JSON.parse(document.getElementById("data").textContent);
const {reference, models, scene, environment} = results;
const main = document.getElementById("main");
const PALETTE = ["#4477aa", "#ee7733", "#228833", "#cc3377", "#33a5b8", "#b59b1e", "#7a5ba6", "#8c6d5a"];
const colourOf = (i) => PALETTE[i % PALETTE.length];
const REFERENCE_COLOUR = "#8d939c";

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key === "style") node.style.cssText = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

// Numbers as people read them.
const trim = (value, digits) => Number(value.toPrecision(digits)).toString();
const megabytes = (bytes) => (bytes / 1e6 < 99.95 ? (bytes / 1e6).toFixed(1) : (bytes / 1e6).toFixed(0)) + " MB";
const sizeText = (bytes) => bytes < 1e3 ? `${bytes} B` : bytes < 1e6 ? `${trim(bytes / 1e3, 3)} kB` : megabytes(bytes);
const milliseconds = (ms) => (ms < 9.995 ? ms.toFixed(2) : ms < 99.95 ? ms.toFixed(1) : ms.toFixed(0)) + " ms";
const small = (value) => value === null ? "–" : value === 0 ? "0" : Math.abs(value) >= 0.01 && Math.abs(value) < 1e4
  ? trim(value, 3) : value.toExponential(1);
const psnr = (m) => m.psnr_db !== null ? m.psnr_db.toFixed(1) : m.equal ? "inf" : "–";
const cosine = (m) => m.cosine === null ? "–" : m.equal ? "1" : m.cosine.toFixed(6);
const outputs = Object.keys(reference.outputs);

function worst(model) {
  const known = Object.entries(model.outputs).filter(([, m]) => m.psnr_db !== null);
  return known.length ? known.reduce((a, b) => (b[1].psnr_db < a[1].psnr_db ? b : a)) : null;
}

// rows: arrays of text, node or {node, class}; the header decides which columns hold words.
function table(header, rows, tall = false) {
  const words = header.map((h) => h.startsWith("~"));
  const head = el("tr", {}, ...header.map((h, i) => el("th", words[i] ? {class: "words"} : {}, h.replace("~", ""))));
  const body = rows.map((row) => el("tr", {}, ...row.map((cell, i) =>
    el("td", {class: (i === 0 ? "name " : "") + (words[i] ? "words " : "") + (header[i] === "~reason" ? "long" : "")}, cell))));
  return el("div", {class: tall ? "scroll tall" : "scroll"},
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
}
const named = (i, name) => el("span", {}, el("span", {class: "swatch", style: `background:${i < 0 ? REFERENCE_COLOUR : colourOf(i)}`}), name);

// ---- charts ----
const charts = [];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Writes each bar's value at its end.
const barLabels = {
  id: "barLabels",
  afterDatasetsDraw(chart) {
    const {ctx} = chart;
    ctx.save();
    ctx.font = "12px system-ui, sans-serif";
    ctx.fillStyle = css("--ink");
    ctx.textBaseline = "middle";
    chart.data.datasets.forEach((set, d) => chart.getDatasetMeta(d).data.forEach((bar, i) => {
      ctx.fillText(set.texts[i], Math.max(bar.x, chart.chartArea.left) + 6, bar.y);
    }));
    ctx.restore();
  },
};

function barChart({labels, datasets, type = "linear", unit = "", rowHeight = 30, legend = false}) {
  const canvas = el("canvas");
  const bars = labels.length * Math.max(1, datasets.length);
  const height = legend ? labels.length * (datasets.length * 17 + 14) + 60 : bars * rowHeight + 34;
  const box = el("div", {class: "canvas", style: `height:${height}px`}, canvas);
  charts.push(() => {
    const grid = {color: css("--line"), borderColor: css("--line")};
    return new Chart(canvas, {
      type: "bar",
      data: {labels, datasets: datasets.map((d) => ({...d, borderRadius: 3, maxBarThickness: 20, categoryPercentage: 0.86, barPercentage: 0.9}))},
      plugins: [barLabels],
      options: {
        indexAxis: "y", responsive: true, maintainAspectRatio: false, animation: false,
        layout: {padding: {right: 62}},
        plugins: {legend: {display: legend, position: "bottom", labels: {color: css("--ink"), boxWidth: 12, boxHeight: 12}},
          tooltip: {callbacks: {label: (c) => `${c.dataset.label ? c.dataset.label + ": " : ""}${c.dataset.texts[c.dataIndex]} ${unit}`}}},
        scales: {
          x: {type, beginAtZero: type === "linear", grid, ticks: {color: css("--soft"), maxTicksLimit: 6}},
          y: {grid: {display: false, borderColor: css("--line")}, ticks: {color: css("--ink"), autoSkip: false}},
        },
      },
    });
  });
  return box;
}
let drawn = [];
function drawCharts() {
  drawn.forEach((c) => c.destroy());
  drawn = charts.map((make) => make());
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);

function costChart(title, value, text) {
  const all = [reference, ...models];
  return el("div", {class: "card"}, el("h3", {}, title), barChart({
    labels: all.map((m) => m.name),
    datasets: [{data: all.map(value), texts: all.map((m) => text(value(m))), backgroundColor: [REFERENCE_COLOUR, ...models.map((m, i) => colourOf(i))]}],
  }));
}

// ---- sections ----
const allEqual = (model) => Object.values(model.outputs).every((m) => m.equal);
const best = (value) => models.reduce((a, b) => (value(b) > value(a) ? b : a));
function headline() {
  const psnrOf = (m) => (worst(m) ? worst(m)[1].psnr_db : allEqual(m) ? Infinity : -Infinity);
  const accuracy = (m) => worst(m) ? `worst output ${worst(m)[0]}, ${psnrOf(m).toFixed(1)} dB PSNR` : allEqual(m) ? "all outputs equal" : "no PSNR";
  const speed = (m) => {
    const ratio = reference.ms_per_image / m.ms_per_image;
    return ratio >= 1 ? `${ratio.toFixed(2)}x faster` : `${(1 / ratio).toFixed(2)}x slower`;
  };
  const size = (m) => m.compression >= 1 ? `${m.compression.toFixed(2)}x smaller` : `${(1 / m.compression).toFixed(2)}x larger`;
  if (models.length === 1) return el("p", {class: "lead"}, el("b", {}, models[0].name), `: ${size(models[0])}, ${speed(models[0])}; ${accuracy(models[0])}.`);
  const closest = best(psnrOf), smallest = best((m) => m.compression), fastest = best((m) => -m.ms_per_image);
  const part = (label, m, text) => [`${label}: `, el("b", {}, m.name), ` (${text}). `];
  return el("p", {class: "lead"}, ...part("Closest to float", closest, accuracy(closest)), ...part("Smallest", smallest, size(smallest)),
    ...part("Fastest", fastest, speed(fastest)));
}

function summary() {
  const rows = [[named(-1, reference.name), "reference", megabytes(reference.size_bytes), "", milliseconds(reference.ms_per_image), "",
    megabytes(reference.peak_memory_bytes), "", "", ""]];
  models.forEach((m, i) => {
    const bad = worst(m);
    const low = Math.min(...Object.values(m.outputs).map((o) => o.cosine ?? 1));
    rows.push([named(i, m.name), m.scheme, megabytes(m.size_bytes), `${m.compression.toFixed(2)}x`, milliseconds(m.ms_per_image),
      `${(reference.ms_per_image / m.ms_per_image).toFixed(2)}x`, megabytes(m.peak_memory_bytes),
      bad ? `${bad[1].psnr_db.toFixed(1)} dB` : allEqual(m) ? "inf" : "–", bad ? bad[0] : allEqual(m) ? "all equal" : "", low === 1 ? "1" : low.toFixed(6)]);
  });
  return table(["~model", "~scheme", "archive", "smaller", "time per image", "faster", "peak memory", "worst PSNR", "~in output", "lowest cosine"], rows);
}

const METRICS = {
  psnr_db: ["PSNR, dB (more is better)", "linear", (m) => m.psnr_db, psnr],
  distance: ["1 - cosine, logarithmic (less is better)", "logarithmic", (m) => m.cosine === null ? null : 1 - m.cosine, (m) => small(m.cosine === null ? null : 1 - m.cosine)],
  mae: ["MAE, logarithmic (less is better)", "logarithmic", (m) => m.mae, (m) => small(m.mae)],
  max_error: ["largest error, logarithmic (less is better)", "logarithmic", (m) => m.max_error, (m) => small(m.max_error)],
};

function errors() {
  const place = el("div");
  const choice = el("select", {id: "metric"}, ...Object.entries(METRICS).map(([key, [title]]) => el("option", {value: key}, title)));
  const make = () => {
    const [, type, value, text] = METRICS[choice.value];
    const before = charts.length;
    const box = barChart({labels: outputs, type, legend: true, datasets: models.map((m, i) => ({
      label: m.name, backgroundColor: colourOf(i),
      data: outputs.map((o) => { const v = value(m.outputs[o]); return v !== null && v > 0 ? v : null; }),
      texts: outputs.map((o) => text(m.outputs[o])),
    }))});
    errors.slot = errors.slot ?? before;
    if (errors.slot !== before) charts[errors.slot] = charts.pop();
    place.replaceChildren(box);
  };
  choice.addEventListener("change", () => { make(); drawCharts(); });
  make();
  return el("div", {class: "card"}, el("div", {class: "controls"}, el("label", {for: "metric"}, "Metric"), choice), place);
}

function metricsTables() {
  const place = el("div");
  const choice = el("select", {id: "output"}, ...outputs.map((o) => el("option", {value: o}, o)));
  const make = () => {
    const info = reference.outputs[choice.value];
    const rows = models.map((m, i) => {
      const v = m.outputs[choice.value];
      return [named(i, m.name), psnr(v), cosine(v), small(v.mae), small(v.rmse), small(v.p50), small(v.p90), small(v.p99), small(v.max_error), String(v.nonfinite)];
    });
    place.replaceChildren(
      el("p", {class: "soft"}, `Shape [${info.shape.join(", ")}], reference from ${small(info.min)} to ${small(info.max)}. Percentiles are of the absolute error.`),
      table(["~model", "PSNR, dB", "cosine", "MAE", "RMSE", "p50", "p90", "p99", "max error", "NaN or Inf"], rows));
  };
  choice.addEventListener("change", make);
  make();
  return [el("div", {class: "controls"}, el("label", {for: "output"}, "Output"), choice), place];
}

function legend(stops, ticks, caption) {
  return el("div", {class: "legend"}, el("div", {class: "bar", style: `background:linear-gradient(to right, ${stops.join(",")})`}),
    el("div", {class: "ticks"}, ...ticks.map((t) => el("span", {}, t))), el("div", {class: "soft", style: "font-size:0.8rem"}, caption));
}
const ticks = (low, high) => [0, 1, 2, 3, 4].map((i) => trim(low + (high - low) * i / 4, 3));
const picture = (data, caption) => el("figure", {}, el("img", {src: data, alt: caption, loading: "lazy"}), el("figcaption", {}, caption));

const pair = (title, ...pictures) => el("div", {}, el("h3", {}, title), el("div", {class: "maps"}, ...pictures));

function depthSection() {
  if (!depthMaps.length) return [el("p", {class: "soft"}, "The model has no output named depth with one value per pixel, or no frame was asked for.")];
  const place = el("div");
  const choice = el("select", {id: "frame"}, ...depthMaps.map((d, i) => el("option", {value: i}, `${d.index + 1}: ${d.picture}`)));
  const make = () => {
    const d = depthMaps[choice.value];
    place.replaceChildren(
      el("div", {class: "legends"},
        legend(colours.depth, ticks(d.low, d.high), `${d.output}, in the model's unit; all maps of a picture share the scale`),
        legend(colours.difference, ticks(0, d.difference), "absolute difference from the float model; the last colour also for more")),
      el("div", {class: "pairs"}, pair(`${reference.name}, float`, picture(d.photo, "input"), picture(d.reference, "depth")),
        ...d.models.map((m) => pair(m.name, picture(m.depth, "depth"),
          picture(m.difference_map, `difference, mean ${small(m.mean_difference)}`)))));
  };
  choice.addEventListener("change", make);
  make();
  return [el("div", {class: "controls"}, el("label", {for: "frame"}, "Picture"), choice), place];
}

function sitesSection() {
  const withSites = models.filter((m) => Array.isArray(m.sites));
  if (!withSites.length) return [el("p", {class: "soft"}, "None of the archives holds a table of sites.")];
  const place = el("div");
  const choice = el("select", {id: "model"}, ...withSites.map((m, i) => el("option", {value: i}, m.name)));
  const filter = el("input", {type: "search", placeholder: "name or reason", "aria-label": "filter sites"});
  const make = () => {
    const sites = withSites[choice.value].sites;
    const quantized = sites.filter((s) => s.action === "quantized");
    const wanted = sites.filter((s) => `${s.name} ${s.scheme} ${s.reason}`.includes(filter.value));
    const before = quantized.reduce((n, s) => n + s.bytes_before, 0), after = quantized.reduce((n, s) => n + s.bytes_after, 0);
    place.replaceChildren(
      el("p", {class: "soft"}, `${quantized.length} of ${sites.length} weights quantized, ${sizeText(before)} became ${sizeText(after)}.`),
      table(["~site", "shape", "~scheme", "before", "after", "weight SQNR", "calls", "~reason"], wanted.map((s) => [
        s.name, s.shape.join(" x "), s.scheme, sizeText(s.bytes_before), sizeText(s.bytes_after),
        typeof s.weight_sqnr_db === "number" ? `${s.weight_sqnr_db.toFixed(1)} dB` : "–", String(s.calls), s.reason || ""]), true));
  };
  choice.addEventListener("change", make);
  filter.addEventListener("input", make);
  make();
  return [el("div", {class: "controls"}, el("label", {for: "model"}, "Model"), choice, filter), place];
}

function environmentSection() {
  const rows = Object.entries(environment).filter(([key]) => key !== "command_line").flatMap(([key, value]) =>
    [el("dt", {}, key), el("dd", {}, value === null ? "none" : key === "memory_bytes" ? `${(value / 1e9).toFixed(1)} GB` : String(value))]);
  const timing = models.concat(reference).map((m) => m.timing);
  const least = timing.reduce((a, b) => (b.timed_forwards < a.timed_forwards ? b : a));
  return [el("dl", {}, ...rows), el("pre", {}, environment.command_line),
    el("p", {class: "soft"}, `Times are medians of ${least.timed_forwards} forwards of the scene after ${least.warmup_forwards} to warm up` +
      (timing.some((t) => t.timed_forwards !== least.timed_forwards) ? " at least" : "") +
      "; every model ran in a process of its own, whose largest resident size is its peak memory. MB are 10^6 bytes.")];
}

const notes = [...results.notes, ...models.flatMap((m) => m.notes.map((n) => `${m.name}: ${n}`))];
const add = (title, ...nodes) => main.append(el("h2", {}, title), ...nodes);
main.replaceChildren(
  el("h1", {}, "Quantized against float"),
  el("p", {class: "scene"}, `${scene.pictures.length} picture${scene.pictures.length === 1 ? "" : "s"} of ${scene.folder}, ` +
    `${scene.width} x ${scene.height} (${scene.preprocess}), against ${reference.path}`),
  headline(), summary());
if (notes.length) main.append(el("ul", {class: "notes"}, ...notes.map((n) => el("li", {}, n))));
main.append(el("div", {class: "charts"},
  costChart("Archive", (m) => m.size_bytes / 1e6, (v) => megabytes(v * 1e6)),
  costChart("Time per image", (m) => m.ms_per_image, milliseconds),
  costChart("Peak memory", (m) => m.peak_memory_bytes / 1e6, (v) => megabytes(v * 1e6))));
add("Error of every output", errors());
add("Depth maps", ...depthSection());
add("All metrics", ...metricsTables());
add("Sites", ...sitesSection());
add("Environment", ...environmentSection());
drawCharts();
