// Depth maps of the float model and of a quantized one laid over each other, their difference, and the colour scales.
function legend(stops, low, high, words) {
  const ticks = [0, 1, 2, 3, 4].map((i) => trim(low + (high - low) * i / 4, 3));
  return el("div", {class: "legend", role: "img", "aria-label": `Colour scale from ${ticks[0]} to ${ticks[4]}: ${words}`},
    el("div", {class: "bar", style: `background:linear-gradient(to right, ${stops.join(",")})`}),
    el("div", {class: "ticks"}, ...ticks.map((t) => el("span", {}, t))), el("div", {class: "soft"}, words));
}
const caption = (left, right = "") => el("figcaption", {}, el("span", {}, left), right ? el("span", {}, right) : null);

// Two images laid over each other with a movable cut: left of it `under`, right of it `over`, each {src, alt}.
function compared(under, over, cut, label) {
  const stage = el("div", {class: "stage", style: `--cut:${cut.value}%`}, el("img", {...under, draggable: "false"}), el("img", {class: "over", ...over, draggable: "false"}));
  const range = el("input", {type: "range", min: 0, max: 100, step: 1, value: cut.value, "aria-label": label});
  const move = (value) => {
    cut.value = range.value = value;
    stage.style.setProperty("--cut", `${range.value}%`);
  };
  range.addEventListener("input", () => move(range.value));
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    move(Math.round(100 * (event.clientX - box.left) / box.width));
  };
  stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); follow(event); });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
  return [stage, range];
}
const cutLabel = (m) => `Share of the image that shows the float model; the rest is ${m.name}'s`;

// A button with an image for each model; nothing where there is one model only. looks: m => [image, words].
function modelButtons(list, chosen, hint, looks, choose) {
  if (list.length < 2) return "";
  return el("div", {}, el("p", {class: "hint"}, hint + (list.length < models.length ? ` Shows ${list.length} of ${models.length} models.` : "")), el("div", {class: "thumbs", role: "group", "aria-label": "Model to compare"}, ...list.map((m, i) => {
    const [src, words] = looks(m);
    const button = el("button", {type: "button", "aria-pressed": String(i === chosen)}, el("img", {src, alt: ""}), m.name, el("br"), el("span", {class: "soft"}, words));
    button.addEventListener("click", () => choose(i));
    return button;
  })));
}

function depthSection() {
  const place = el("div"), cut = {value: 50};
  const choice = select(depthMaps.map((d) => `${d.index + 1}: ${d.picture}`));
  let model = 0;
  const make = (focus = false) => {
    const d = depthMaps[choice.value], m = d.models[model];
    place.replaceChildren(modelButtons(d.models, model, "Difference of every model from the float model, on one scale: darker is better. Click a model to compare it.",
      (other) => [other.difference_map, `mean ${small(other.mean_difference)}`], (i) => { model = i; make(true); }),
      el("div", {class: "maps"}, el("figure", {}, caption("◀ float", `${m.name} ▶`),
        ...compared({src: d.reference, alt: `${d.output} of ${d.picture} by ${reference.name}, the float model`}, {src: m.depth, alt: `${d.output} of ${d.picture} by ${m.name}`}, cut, cutLabel(m)),
        legend(colours.depth, d.low, d.high, `${d.output}, in the model's unit. Both models share the scale; drag or use the slider to compare.`)),
        el("figure", {}, caption(`|float - ${m.name}|`, `mean ${small(m.mean_difference)}`), el("img", {src: m.difference_map, alt: `Difference of ${m.name} from the float model, mean ${small(m.mean_difference)}`}),
          legend(colours.difference, 0, d.difference, "absolute difference, the same for all models; darker is better. The last colour also covers larger differences.")),
        el("figure", {}, caption("Input"), el("img", {src: d.photo, alt: `The image ${d.picture}`}))));
    if (focus) place.querySelector("[aria-pressed=true]").focus();
  };
  choice.addEventListener("change", () => make());
  make();
  return [depthMaps.length > 1 ? el("div", {class: "controls"}, labelled("Image", choice)) : null, place];
}
