// The steps of --progressive: what was tried, what was accepted, the result.
function progressiveSection() {
  const {limits, steps, parts, model, file} = results.progressive;
  const metricOf = (metric) => {
    const limit = limits.find((l) => l.metric === metric);
    if (metric === "psnr") return {title: "Lowest PSNR", unit: "dB", more: true, text: decibels, value: (s) => s.psnr_db, limit};
    const {group, title, unit, more} = TRUTH.find((t) => metric === (t.group === "points" ? `points.${t.key}` : t.key));
    return {title: group === "points" ? `Points ${title.toLowerCase()}` : title, unit, more, text: (v) => truthText(v, unit), value: (s) => s.values[metric], limit};
  };
  const metrics = [...new Set(["psnr", ...limits.map((l) => l.metric)])].map(metricOf);
  const smaller = (s) => reference.size_bytes / s.size_bytes;
  const verdict = (s) => s.taken ? el("span", {class: "better"}, "accepted") : s.held ? "holds" : el("span", {class: "worse"}, "does not hold");

  // One value per step: accepted steps are joined, the others are single points, the limit is a line.
  const chart = (title, make, controls) => chartCard(title, () => {
    const {value, text, axisTitle, better, bound} = make();
    const of = (wanted) => steps.map((s) => wanted(s) ? value(s) : null);
    const line = (label, data, more) => ({label, data, spanGaps: true, borderWidth: 2, pointRadius: 5, pointHoverRadius: 7, borderColor: PALETTE[0], backgroundColor: PALETTE[0], ...more});
    const shown = (v) => isNumber(v) ? text(v) : "–";
    return {
      better: `${better} Filled and joined: accepted steps; hollow: rejected steps.`, height: 300,
      says: steps.map((s) => `${s.model}: ${shown(value(s))}, ${s.taken ? "accepted" : "rejected"}`).join("; ") + ".",
      columns: [{title: "Step", words: true}, {title: axisTitle}, {title: "Accepted", words: true}],
      rows: steps.map((s) => [s.model, shown(value(s)), s.taken ? "yes" : "no"]),
      config: {
        type: "line",
        data: {labels: steps.map((s, i) => String(i + 1)), datasets: [
          line("accepted", of((s) => s.taken)),
          line("rejected", of((s) => !s.taken), {showLine: false, backgroundColor: css("--panel"), pointStyle: "rectRot"}),
          ...(isNumber(bound) ? [line(`limit ${text(bound)}`, steps.map(() => bound), {borderColor: PALETTE[1], backgroundColor: PALETTE[1], borderDash: [6, 4], pointRadius: 0, pointHoverRadius: 0, pointHitRadius: 0, pointStyle: "line"})] : []),
        ]},
        options: {
          plugins: {legend: legendOf(true), tooltip: {callbacks: {title: ([c]) => steps[c.dataIndex].model, label: (c) => text(c.parsed.y)}}},
          scales: {x: axis("Step", {type: "category", grid: false}), y: axis(axisTitle, {grace: "10%"})},
        },
      },
    };
  }, controls);
  const choice = select(metrics.map((m) => m.title));
  if (metrics.length > 1) labelled("Accuracy", choice);
  const accuracy = chart("Accuracy over the steps", () => {
    const {title, unit, more, text, value, limit} = metrics[choice.value];
    const side = more ? "Higher is more accurate" : "Lower is more accurate";
    return {value, text, axisTitle: unit ? `${title}, ${unit}` : title, bound: limit ? limit.bound : null,
      better: limit ? `${side}; a step has to stay ${more ? "above" : "below"} the limit.` : `${side}.`};
  }, metrics.length > 1 ? [choice] : []);
  const size = chart("Size over the steps", () => ({value: (s) => s.size_bytes / 1e6, text: (v) => megabytes(v * 1e6), axisTitle: "File size, MB", bound: null, better: "Lower is better."}), []);

  const last = steps.find((s) => s.model === model);
  return [
    el("p", {}, `Int8 first, then int4; a step is accepted only while it holds the limits: ${limits.map((l) => l.text).join(" and ")}. `,
      ...(last ? [el("b", {}, model), ` is the result: ${megabytes(last.size_bytes)}, ${times(smaller(last))} smaller than the float model, ` +
        `${metrics.map((m) => `${m.title.replace("Lowest", "lowest")} ${isNumber(m.value(last)) ? m.text(m.value(last)) : "inf"}`).join(", ")}. Its config is ${file}, beside this page, for vqt-quantize --config.`]
        : ["No step holds the limits: the float model is not quantized."])),
    el("div", {class: "charts"}, accuracy, size),
    table({caption: "Steps", rows: steps, columns: [{title: "Step", words: true}, {title: "Limits", words: true}, {title: "File size", unit: "lower is better"}, {title: "Smaller"},
      ...metrics.map((m) => ({title: m.title, unit: `${m.unit ? m.unit + ", " : ""}${m.more ? "higher" : "lower"} is better`})), {title: "Tried", words: true}],
      cells: (s) => [s.model, verdict(s), megabytes(s.size_bytes), times(smaller(s)),
        ...metrics.map((m) => isNumber(m.value(s)) ? m.text(m.value(s)) : m.title === "Lowest PSNR" && s.held ? "inf" : "–"), s.part === null ? `all in ${s.bits} bits` : s.alone ? "the module group alone" : "on top of what was accepted before"]}),
    ...(parts.length > 1 ? [el("details", {}, el("summary", {}, "Module groups"), table({caption: "Module groups", rows: parts, columns: [{title: "Module group", words: true}, {title: "Layers"}, {title: "FP32 weights"}, {title: "First and last layer", words: true, long: true}],
      cells: (p) => [p.name, String(p.sites.length), sizeText(p.bytes_before), p.sites.length > 1 ? `${p.sites[0]} ... ${p.sites[p.sites.length - 1]}` : p.sites[0]]}))] : []),
  ];
}
