// Camera poses from above. A pose is [quaternion w x y z, translation x y z], world to camera, x right, y down, z forward.
// Every model's world is its own, so all are drawn in the frame of the first camera.
function turn([w, x, y, z], [a, b, c]) {
  const [p, q, r] = [2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)];
  return [a + w * p + y * r - z * q, b + w * q + z * p - x * r, c + w * r + x * q - y * p];
}
const inverse = ([w, x, y, z]) => [w, -x, -y, -z];

// {centre, forward} in the first camera's frame for each pose; null where it is unknown.
function seenFromFirst(poses) {
  const anchor = poses.find((p) => p !== null);
  return poses.map((pose) => {
    if (pose === null) return null;
    const q = inverse(pose.slice(0, 4)), first = anchor.slice(0, 4);
    const world = turn(q, pose.slice(4).map((t) => -t));
    return {centre: turn(first, world).map((v, i) => v + anchor[4 + i]), forward: turn(first, turn(q, [0, 0, 1]))};
  });
}
// One number that brings the second set of cameras to the size of the first, by least squares.
function scaleTo(target, cameras) {
  let both = 0, own = 0;
  target.forEach((t, i) => {
    if (t === null || cameras[i] === null) return;
    t.centre.forEach((v, k) => { both += v * cameras[i].centre[k]; own += cameras[i].centre[k] ** 2; });
  });
  return own > 0 && both > 0 ? both / own : 1;
}
const distance = (a, b) => Math.hypot(...a.map((v, i) => v - b[i]));
const angle = (a, b) => Math.acos(Math.min(1, Math.max(-1, a.reduce((s, v, i) => s + v * b[i], 0)))) * 180 / Math.PI;

// The same length of a metre on both axes: widens the narrower range once the chart knows its size.
const squareUnits = {
  id: "squareUnits",
  afterLayout(chart) {
    const {chartArea: {width, height}, config: {options: {middle, span, scales}}} = chart;
    const key = `${chart.width} ${chart.height}`;
    if (chart.squaredFor === key) return;
    chart.squaredFor = key;
    const unit = Math.max(span[0] / width, span[1] / height) * 1.25;
    [scales.x.min, scales.x.max] = [middle[0] - unit * width / 2, middle[0] + unit * width / 2];
    [scales.y.min, scales.y.max] = [middle[1] - unit * height / 2, middle[1] + unit * height / 2];
    chart.update("none");
  },
};
// A wedge that opens to where the camera looks.
const wedges = {
  id: "wedges",
  beforeDatasetsDraw(chart) {
    const {ctx} = chart;
    ctx.save();
    ctx.lineWidth = 1.5;
    chart.data.datasets.forEach((set, d) => chart.getDatasetMeta(d).data.forEach((p, i) => {
      if (!set.looks || chart.getDatasetMeta(d).hidden) return;
      const [fx, fz] = set.looks[i], at = Math.atan2(-fz, fx), long = 22 * Math.hypot(fx, fz);
      ctx.strokeStyle = set.borderColor;
      ctx.setLineDash(set.dashed ? [3, 3] : []);
      ctx.beginPath();
      ctx.moveTo(p.x, p.y);
      ctx.lineTo(p.x + long * Math.cos(at - 0.4), p.y + long * Math.sin(at - 0.4));
      ctx.lineTo(p.x + long * Math.cos(at + 0.4), p.y + long * Math.sin(at + 0.4));
      ctx.closePath();
      ctx.stroke();
    }));
    ctx.restore();
  },
};

function camerasChart() {
  const drawn = models.filter((m) => m.cameras);
  if (!reference.cameras || !drawn.length || scene.pictures.length < 2) return null;
  const each = scene.frames_per_forward, forwards = Math.ceil(scene.pictures.length / each);
  const model = select(drawn.map((m) => m.name)), forward = select(Array.from({length: forwards}, (_, i) => `${i * each + 1} to ${Math.min((i + 1) * each, scene.pictures.length)}`));
  labelled("Model", model);
  labelled("Images", forward);
  const make = () => {
    const m = drawn[model.value], first = forward.value * each, names = scene.pictures.slice(first, first + each);
    const part = (cameras) => seenFromFirst(cameras.slice(first, first + each));
    const float = part(reference.cameras), quantized = part(m.cameras);
    const sets = [{label: shortened(reference.name, 28), cameras: float, colour: REFERENCE_COLOUR, shape: "circle"}, {label: shortened(m.name, 28), cameras: quantized, colour: colourOf(m), shape: shapeOf(m)}];
    const given = results.ground_truth && results.ground_truth.cameras ? results.ground_truth.cameras.slice(first, first + each) : [];
    // The ground truth is anchored at its first known pose, so the first image needs to have one.
    if (given.filter((p) => p !== null).length > 1 && given[0] !== null) {
      const truth = seenFromFirst(given), scale = scaleTo(float, truth);
      sets.unshift({label: "ground truth", colour: css("--good"), shape: "cross", dashed: true,
        cameras: truth.map((c) => c && {...c, centre: c.centre.map((v) => v * scale)})});
    }
    const all = sets.flatMap((s) => s.cameras.filter((c) => c !== null).map((c) => c.centre));
    const range = (k) => { const v = all.map((c) => c[k]); return [Math.min(...v), Math.max(...v)]; };
    const [x, z] = [range(0), range(2)], least = Math.max(x[1] - x[0], z[1] - z[0], 1e-6) * 0.3;
    const off = (i) => float[i] && quantized[i] ? [distance(float[i].centre, quantized[i].centre), angle(float[i].forward, quantized[i].forward)] : [NaN, NaN];
    const offs = names.map((_, i) => off(i)), far = Math.max(...offs.map((o) => o[0]).filter(isNumber)), wide = Math.max(...offs.map((o) => o[1]).filter(isNumber));
    return {
      better: `The closer ${m.name} is to the float model${sets.length > 2 ? " and both are to the ground truth" : ""}, the better: it is off by at most ${small(far)} (spread of the cameras: ${small(Math.max(x[1] - x[0], z[1] - z[0]))}) ` +
        `and ${small(wide)}° in viewing direction. All are drawn from the first image's camera, which looks up the page${sets.length > 2 ? "; the ground truth is scaled to the float model" : ""}.`,
      says: `${plural(names.length, "camera")} of ${sets.map((s) => s.label).join(", ")}.`,
      height: innerWidth < 600 ? 380 : 520,
      columns: [{title: "Image", words: true}, {title: "Distance from float", unit: "model's unit"}, {title: "Viewing direction", unit: "degrees from float"}],
      rows: names.map((n, i) => [`${first + i + 1} ${n}`, small(offs[i][0]), small(offs[i][1])]),
      config: {
        type: "scatter", plugins: [wedges, squareUnits, pointNames],
        data: {datasets: sets.map((s, k) => {
          const known = s.cameras.map((c, i) => [c, i]).filter(([c]) => c !== null);
          return {label: s.label, data: known.map(([c, i]) => ({x: c.centre[0], y: c.centre[2], name: names[i]})), looks: known.map(([c]) => [c.forward[0], c.forward[2]]), dashed: s.dashed,
            borderColor: s.colour, backgroundColor: s.colour, pointStyle: s.shape, pointRadius: 4, pointBorderWidth: 2,
            beside: true, names: k === sets.length - 2 && names.length <= 40 ? known.map(([, i]) => String(first + i + 1)) : undefined};
        })},
        options: {
          middle: [(x[0] + x[1]) / 2, (z[0] + z[1]) / 2], span: [Math.max(x[1] - x[0], least), Math.max(z[1] - z[0], least)],
          plugins: {legend: legendOf(true), tooltip: {callbacks: {title: (c) => c[0].raw.name, label: (c) => `${c.dataset.label}: ${trim(c.parsed.x, 3)} right, ${trim(c.parsed.y, 3)} forward`}}},
          scales: {x: axis("To the right, model's unit", {callback: (v) => trim(v, 3)}), y: axis("Forward, model's unit", {callback: (v) => trim(v, 3)})},
        },
      },
    };
  };
  return chartCard("Cameras from above", make, [...(drawn.length > 1 ? [model] : []), ...(forwards > 1 ? [forward] : [])]);
}
