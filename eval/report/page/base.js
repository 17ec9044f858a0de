"use strict";
// The data in #data, elements, formatted numbers, tables. Texts enter the page as text nodes only, so nothing needs
// escaping.
const {results, depth_maps: depthMaps, cloud: cloudPictures, colours} = JSON.parse(document.getElementById("data").textContent);
const {reference, models, scene, environment} = results;
const everyone = [reference, ...models];
const outputs = Object.keys(reference.outputs);
const PALETTE = ["#4477aa", "#ee7733", "#228833", "#cc3377", "#33a5b8", "#b59b1e", "#7a5ba6", "#8c6d5a"];
const SHAPES = ["circle", "rect", "triangle", "rectRot", "star", "crossRot"];  // told apart without colours too
const REFERENCE_COLOUR = "#8d939c", OTHER_COLOUR = "#a8a192";
// Charts with a line per model show as many models as there are colours: the best ones, then the Pareto front.
const best = new Set([...results.winners.map((w) => w.model), results.recommendation?.model, results.progressive?.model]);
const rank = (m) => best.has(m.name) ? 0 : m.pareto_front ? 1 : 2;
const ranked = [...models].sort((a, b) => rank(a) - rank(b)).slice(0, PALETTE.length);
const highlighted = models.filter((m) => ranked.includes(m));
const highlightedHint = highlighted.length < models.length ? ` Shows ${highlighted.length} of ${models.length} models, the best ones and the Pareto front first; the numbers list all.` : "";
const colourOf = (model) => model === reference ? REFERENCE_COLOUR : PALETTE[highlighted.indexOf(model)] ?? OTHER_COLOUR;
const shapeOf = (model) => SHAPES[Math.max(0, highlighted.indexOf(model)) % SHAPES.length];
// The common start of the models' names is left out inside a chart.
function commonStart(names) {
  let n = 0;
  while (names.every((name) => n < name.length && name[n] === names[0][n])) n++;
  return names[0].slice(0, n).lastIndexOf(" ") + 1;
}
const nameStart = models.length > 1 ? commonStart(models.map((m) => m.name)) : 0;
const briefName = (model) => model === reference ? model.name : model.name.slice(nameStart);

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

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const trim = (value, digits) => Number(value.toPrecision(digits)).toString();
const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 9.995e6 ? 2 : bytes < 99.95e6 ? 1 : 0) + " MB";
const sizeText = (bytes) => bytes < 1e3 ? `${bytes} B` : bytes < 1e6 ? `${trim(bytes / 1e3, 3)} kB` : megabytes(bytes);
const milliseconds = (ms) => (ms < 9.995 ? ms.toFixed(2) : ms < 99.95 ? ms.toFixed(1) : ms.toFixed(0)) + " ms";
const small = (value) => !isNumber(value) ? "–" : value === 0 ? "0" : Math.abs(value) >= 0.01 && Math.abs(value) < 1e4
  ? trim(value, 3) : value.toExponential(1);
const decibels = (value) => isNumber(value) ? `${value.toFixed(1)} dB` : "–";
const times = (ratio) => isNumber(ratio) ? `${ratio.toFixed(2)}x` : "–";
const psnr = (m) => m.psnr_db !== null ? m.psnr_db.toFixed(1) : m.equal ? "inf" : "–";
const cosine = (m) => m.cosine === null ? "–" : m.equal ? "1" : m.cosine.toFixed(6);
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
const shortened = (text, length) => text.length <= length ? text : text.slice(0, length - 6) + "…" + text.slice(-5);

// The output with the lowest PSNR; null where none has one.
function worst(model) {
  const known = Object.entries(model.outputs).filter(([, m]) => m.psnr_db !== null);
  return known.length ? known.reduce((a, b) => (b[1].psnr_db < a[1].psnr_db ? b : a)) : null;
}
const allEqual = (model) => Object.values(model.outputs).every((m) => m.equal);

const named = (model) => el("span", {}, el("span", {class: "swatch", style: `background:${colourOf(model)}`}),
  ...briefName(model).split(/(?<==)/).flatMap((part) => [part, el("wbr")]));  // phones break field=value there
const select = (options) => el("select", {}, ...options.map((text, i) => el("option", {value: i}, text)));
const labelled = (text, control) => el("label", {}, text, control);

// columns: {title, unit?, words?, long?, sort?: row => number or text}; a row is what cells(row) makes texts or nodes of.
// Where any column sorts, its heading is a button.
function table({caption, columns, rows, cells, tall = false}) {
  const body = el("tbody");
  const fill = (list) => body.replaceChildren(...list.map((row) => el("tr", {}, ...cells(row).map((cell, i) =>
    el(i === 0 ? "th" : "td", {class: (columns[i].words ? "words " : "") + (columns[i].long ? "long" : ""),
      ...(i === 0 ? {scope: "row"} : {})}, cell)))));
  const heads = columns.map((c) => {
    const unit = c.unit ? el("small", {}, c.unit) : null;
    const head = el("th", {scope: "col", class: c.words ? "words" : ""});
    if (!c.sort) {
      head.append(c.title, ...(unit ? [unit] : []));
      return head;
    }
    const button = el("button", {type: "button"}, c.title);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      show(sorted(c, down));
    });
    head.append(button, ...(unit ? [unit] : []));
    return head;
  });
  let order = (list) => list, wanted = () => true;
  const sorted = (column, down) => (list) => [...list].sort((a, b) => {
    const [x, y] = [column.sort(a), column.sort(b)];
    if (x === null || y === null) return (x === null) - (y === null);  // what has no value comes last either way
    const least = typeof x === "string" ? x.localeCompare(y, "en", {numeric: true}) : x - y;
    return down ? -least : least;
  });
  const show = (by) => { order = by; fill(order(rows.filter(wanted))); };
  fill(rows);
  const node = el("div", {class: tall ? "scroll tall" : "scroll", tabindex: 0, role: "region", "aria-label": caption},
    el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body));
  node.keep = (which) => { wanted = which; show(order); };
  return node;
}
