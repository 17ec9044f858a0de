// The page from top to bottom. Sections without data are left out.
const main = document.getElementById("main");
const sections = [];
function add(id, title, ...nodes) {
  const kept = nodes.filter((n) => n !== null && n !== undefined);
  if (kept.length) sections.push({id, title, node: el("section", {id, "aria-labelledby": `${id}-title`}, el("h2", {id: `${id}-title`}, title), ...kept)});
}

const notes = [...results.notes, ...models.flatMap((m) => m.notes.map((n) => `${m.name}: ${n}`))];
if (results.progressive) add("progressive", "Progressive", ...progressiveSection());
add("cost", "Accuracy and cost", models.length > 1 || results.ground_truth ? paretoChart() : null, costSection());
if (results.ground_truth) add("truth", "Ground truth", ...truthSection());
add("errors", "Errors", outputsChart(), quantilesChart(), layersChart());
if (depthMaps.length) add("depth", "Depth maps", ...depthSection());
if (cloudPictures) add("cloud", "Point cloud", ...cloudSection());
add("cameras", "Camera poses", camerasChart());
if (models.some((m) => Array.isArray(m.sites))) add("layers", "Layers", ...layersSection());
add("configs", "Configs", ...configSection());
add("environment", "Environment", ...environmentSection());

main.replaceChildren(
  el("h1", {}, "Quantized models against the float model"),
  el("p", {class: "scene"}, `${plural(scene.pictures.length, "image")} of ${scene.folder}, ${scene.width} x ${scene.height} (${scene.preprocess}), against ${reference.path}`),
  ...(results.interrupted ? [el("p", {}, el("b", {}, results.notes[0]))] : []),
  headline(), summaryTable(),
  ...(notes.length ? [el("ul", {class: "notes"}, ...notes.map((n) => el("li", {}, n)))] : []),
  el("nav", {"aria-label": "Sections", style: "margin-top:20px"}, el("ul", {}, ...sections.map(({id, title}) => el("li", {}, el("a", {href: `#${id}`}, title))))),
  ...sections.map(({node}) => node));
drawCharts();
