// The scene's points by the float model and by a quantized one, seen from one place, and how far they are apart.
function cloudSection() {
  const cloud = results.cloud, place = el("div"), cut = {value: 50};
  const percent = (distance) => `${small(100 * distance / cloud.scene_size)} %`;
  let model = 0;
  const make = (focus = false) => {
    const m = cloudPictures.models[model], {mean_distance: mean, median_distance: median} = cloud.models[m.name];
    const seen = "The points of the scene from above and behind the first camera";
    place.replaceChildren(modelButtons(cloudPictures.models, model, "Distance of every model's points from the float model's, on one scale: darker is better. Click a model to compare it.",
      (other) => [other.distance, `mean ${percent(cloud.models[other.name].mean_distance)}`], (i) => { model = i; make(true); }),
      el("div", {class: "maps"}, el("figure", {}, caption("◀ float", `${m.name} ▶`),
        ...compared({src: cloudPictures.reference, alt: `${seen}, by ${reference.name}, the float model`}, {src: m.picture, alt: `${seen}, by ${m.name}`}, cut, cutLabel(m)),
        el("p", {class: "hint"}, "Both views are from above and behind the first camera, at one scale; the more alike they are, the better. Drag or use the slider to compare.")),
      el("figure", {}, caption(`distance float – ${m.name}`, `mean ${percent(mean)}, median ${percent(median)}`),
        el("img", {src: m.distance, alt: `Points of the float model, coloured by the distance to those of ${m.name}, mean ${percent(mean)}`}),
        legend(colours.difference, 0, 100 * cloud.distance_scale / cloud.scene_size, "distance between the two points of a pixel, in percent of the float points' mean distance from the first camera; the same scale for all models, darker is better. The last colour also covers larger distances."))));
    if (focus) place.querySelector("[aria-pressed=true]").focus();
  };
  make();
  const files = [cloud.reference, ...Object.values(cloud.models)].flatMap((f, i) => [i ? ", " : "", el("code", {}, f.file), ` (${plural(f.points, "point")})`]);
  const which = cloud.confidence ? `the float model's most confident pixels: ${trim(100 - cloud.confidence.percent, 3)} % by ${cloud.confidence.output}` : "all";
  const of = plural(cloud.pictures, "image"), first = cloud.pictures < scene.pictures.length ? `the first forward pass, ${of}` : of;
  return [place, el("p", {class: "soft"}, `Pixels: ${first}, the same for every model, ${which}. Points: ${cloud.output}${/(^|\.)depth$/.test(cloud.output) ? " and the camera poses" : ""}. ` +
    "To look around in MeshLab, CloudCompare or another viewer, beside this page: ", ...files, ".")];
}
