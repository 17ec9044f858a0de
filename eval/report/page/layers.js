// The layer table: sorted by any column, searched.
function layersSection() {
  const shown = models.filter((m) => Array.isArray(m.sites));
  const place = el("div"), found = el("p", {class: "soft", "aria-live": "polite"});
  const choice = select(shown.map((m) => m.name));
  const filter = el("input", {type: "search", placeholder: "name, scheme or reason"});
  const value = (key, digits, unit = "") => (s) => isNumber(s[key]) ? s[key].toFixed(digits) + unit : "–";
  const make = () => {
    const sites = shown[choice.value].sites.map((s, i) => ({...s, position: i + 1}));
    const has = (key) => sites.some((s) => isNumber(s[key]));
    const optional = [["weight_sqnr_db", "Weight SQNR", "dB, higher is better", 1], ["output_sqnr_db", "Output SQNR", "dB, higher is better", 1],
      ["ms_float", "Float", "ms per forward pass", 2], ["ms_quantized", "Quantized", "ms per forward pass", 2]].filter(([key]) => has(key));
    const nodes = table({caption: "Layers", tall: true, rows: sites,
      columns: [{title: "Layer", words: true, sort: (s) => s.name}, {title: "Position", unit: "in the network", sort: (s) => s.position}, {title: "Shape", sort: (s) => s.shape.reduce((a, b) => a * b, 1)},
        {title: "Scheme", words: true, sort: (s) => s.scheme}, {title: "Weight before", sort: (s) => s.bytes_before}, {title: "after", sort: (s) => s.bytes_after},
        ...optional.map(([key, title, unit]) => ({title, unit, sort: (s) => isNumber(s[key]) ? s[key] : null})),
        {title: "Calls", unit: "per forward pass", sort: (s) => s.calls}, {title: "Reason", words: true, long: true, sort: (s) => s.reason || ""}],
      cells: (s) => [s.name, String(s.position), ...s.kind === "attention" ? ["–", s.scheme, "–", "–"] : [s.shape.join(" x "), s.scheme, sizeText(s.bytes_before), sizeText(s.bytes_after)],
        ...optional.map(([key, , , digits]) => value(key, digits)(s)), String(s.calls), s.reason || ""]});
    const search = () => {
      const words = filter.value.toLowerCase().split(/\s+/);
      const wanted = (s) => words.every((w) => `${s.name} ${s.scheme} ${s.action} ${s.reason}`.toLowerCase().includes(w));
      nodes.keep(wanted);
      const done = Object.entries({linear: "Linear layer", convolution: "convolution", attention: "attention call"}).map(([kind, noun]) => {
        const all = sites.filter((s) => (s.kind || "linear") === kind);
        return all.length ? `${all.filter((s) => s.action === "quantized").length} of ${plural(all.length, noun)}` : "";
      }).filter(Boolean);
      const count = sites.filter(wanted).length;
      found.textContent = `${done.join(", ")} quantized.` +
        (filter.value ? ` ${count === 0 ? "None" : count} of them ${count === 1 ? "matches" : "match"} the search.` : "");
    };
    filter.oninput = search;
    place.replaceChildren(nodes);
    search();
  };
  choice.addEventListener("change", make);
  make();
  return [el("div", {class: "controls"}, shown.length > 1 ? labelled("Model", choice) : null, labelled("Search", filter)), found, place];
}
