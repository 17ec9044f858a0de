// Charts: each with its title, what is better, axes with units, a sentence for screen readers and its numbers as a
// table.
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawings = [];
function drawCharts() {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.color = css("--soft");
  drawings.forEach((draw) => draw());
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);

// make: () => {better, says, height, config, columns, rows}; it is called again when a control or the colours change.
function chartCard(title, make, controls = []) {
  const canvas = el("canvas", {role: "img"});
  const box = el("div", {class: "canvas"}, canvas);
  const hint = el("p", {class: "hint"}), numbers = el("details");
  let chart = null;
  const draw = () => {
    if (chart) chart.destroy();
    const {better, says, height, config, columns, rows} = make();
    hint.textContent = better;
    canvas.setAttribute("aria-label", `${title}. ${says} ${better}`);
    box.style.height = `${height}px`;
    numbers.replaceChildren(el("summary", {}, "Numbers"), table({caption: `${title}: numbers`, columns, rows, cells: (row) => row, tall: rows.length > 15}));
    chart = new Chart(canvas, {...config, options: {responsive: true, maintainAspectRatio: false, animation: false, ...config.options}});
  };
  drawings.push(draw);
  controls.forEach((c) => c.addEventListener("change", draw));
  const bar = controls.length ? el("div", {class: "controls"}, ...controls.map((c) => c.closest("label") ?? c)) : null;
  return el("figure", {class: "card"}, el("figcaption", {}, el("h3", {}, title), hint), bar, box, numbers);
}

function axis(title, {type = "linear", grid = true, callback, ...more} = {}) {
  const color = css("--line");
  return {
    type, grid: {display: grid, color, borderColor: color}, title: {display: title !== "", text: title, color: css("--soft")},
    ticks: {color: css("--soft"), maxRotation: 0, maxTicksLimit: 7, includeBounds: false, ...(callback ? {callback} : {})}, ...more,
  };
}
// Broken at spaces, as Chart.js takes it.
function labelLines(text) {
  const width = innerWidth < 600 ? 16 : 18, lines = [];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (lines.length && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.length > 1 ? lines.map((line) => shortened(line, width)) : shortened(text, innerWidth < 600 ? 16 : 26);
}
const categories = (title) => ({
  ...axis(title, {type: "category", grid: false}),
  ticks: {color: css("--ink"), autoSkip: false, callback(value) { return labelLines(String(this.getLabelForValue(value))); }},
});
// Marked at powers of ten, and at 2 and 5 times them where there are few.
function logarithm(title) {
  const digit = (v) => v / 10 ** Math.floor(Math.log10(v) + 1e-9);
  return axis(title, {
    type: "logarithmic", callback: (v) => v < 1e-4 || v >= 1e5 ? v.toExponential(0) : trim(v, 1),
    afterBuildTicks: (scale) => {
      const marked = scale.max / scale.min > 200 ? [1] : [1, 2, 5];
      scale.ticks = scale.ticks.filter((t) => marked.some((d) => Math.abs(digit(t.value) - d) < 1e-6));
    },
  });
}
const legendOf = (display) => ({display, position: "bottom", labels: {color: css("--ink"), usePointStyle: true, boxWidth: 10, boxHeight: 8, padding: 12}});
const dots = (model) => ({borderColor: colourOf(model), backgroundColor: colourOf(model), pointStyle: shapeOf(model), pointRadius: 5,
  pointHoverRadius: 7, pointBorderWidth: 2});

// Writes each bar's value at its end, and the span of the measurements where the data set has one.
const barLabels = {id: "barLabels"};
barLabels.afterDatasetsDraw = (chart) => {
  const {ctx, scales: {x}} = chart;
  ctx.save();
  ctx.font = `12px ${Chart.defaults.font.family}`;
  ctx.textBaseline = "middle";
  chart.data.datasets.forEach((set, d) => chart.getDatasetMeta(d).data.forEach((bar, i) => {
    let end = Math.max(bar.x, chart.chartArea.left);
    if (set.spans && set.spans[i]) {
      const [low, high] = set.spans[i].map((v) => x.getPixelForValue(v));
      ctx.strokeStyle = css("--ink");
      ctx.beginPath();
      for (const [x0, y0, x1, y1] of [[low, 0, high, 0], [low, -4, low, 4], [high, -4, high, 4]]) {
        ctx.moveTo(x0, bar.y + y0);
        ctx.lineTo(x1, bar.y + y1);
      }
      ctx.stroke();
      end = Math.max(end, high);
    }
    ctx.fillStyle = css("--ink");
    ctx.fillText(set.texts[i], end + 6, bar.y);
  }));
  ctx.restore();
};

// Horizontal bars; sets: [{label, values, texts, colours, spans?}].
function bars({labels, sets, title, rows, unit}) {
  const many = sets.length > 1;
  const room = Math.max(...sets.flatMap((s) => s.texts.map((t) => t.length))) * 7 + 8;
  const lines = Math.max(...labels.map((label) => [labelLines(label)].flat().length));
  return {
    height: labels.length * Math.max(many ? sets.length * 18 + 12 : 32, lines * 15 + 6) + (many ? 90 : 56),
    config: {
      type: "bar", plugins: [barLabels],
      data: {labels, datasets: sets.map((s) => ({label: s.label, data: s.values, texts: s.texts, spans: s.spans, backgroundColor: s.colours,
        borderRadius: 3, maxBarThickness: 20, categoryPercentage: 0.86, barPercentage: 0.9}))},
      options: {
        indexAxis: "y", layout: {padding: {right: room}},
        plugins: {legend: legendOf(many), tooltip: {callbacks: {label: (c) => `${many ? c.dataset.label + ": " : ""}${c.dataset.texts[c.dataIndex]} ${unit ?? ""}`}}},
        scales: {x: axis(title, {beginAtZero: true, suggestedMax: Math.max(...sets.flatMap((s) => (s.spans ?? []).filter((span) => span).map((span) => span[1])))}), y: categories(rows)},
      },
    },
  };
}

// Names beside points: where they neither meet another name or point nor leave the chart. Of many points those without
// such a place go without.
const pointNames = {
  id: "pointNames",
  afterDatasetsDraw(chart) {
    const {ctx, chartArea: area} = chart;
    const points = chart.data.datasets.flatMap((set, d) => set.names ? chart.getDatasetMeta(d).data.map((p, i) => ({x: p.x, y: p.y, name: set.names[i], beside: set.beside})) : []);
    const taken = points.map((p) => [p.x - 7, p.y - 7, p.x + 7, p.y + 7]);
    ctx.save();
    ctx.font = `12px ${Chart.defaults.font.family}`;
    ctx.fillStyle = css("--ink");
    ctx.textBaseline = "middle";
    for (const p of points) {
      const text = shortened(p.name, innerWidth < 600 ? 22 : 36), w = ctx.measureText(text).width, h = 14;
      const places = [[p.x - w / 2, p.y - 18], [p.x + 14, p.y], [p.x - 14 - w, p.y], [p.x + 6, p.y - 16], [p.x - 6 - w, p.y - 16], [p.x - w / 2, p.y + 16],
        [p.x + 6, p.y + 16], [p.x - 6 - w, p.y + 16]].map(([x, y]) => [x, y - h / 2, x + w, y + h / 2]);
      if (p.beside) places.push(places.shift());
      const free = places.find((a) => a[0] >= area.left && a[2] <= area.right + 4 && a[1] >= area.top && a[3] <= area.bottom &&
        taken.every((b) => a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1]));
      if (!free && points.length > 6) continue;
      const [x0, y0, x1, y1] = free ?? places[0];
      taken.push([x0, y0, x1, y1]);
      ctx.fillText(text, x0, (y0 + y1) / 2);
    }
    ctx.restore();
  },
};
