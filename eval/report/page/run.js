// The machine, the command line, the configs.
const ENVIRONMENT = {cpu: "CPU", cpu_flags: "CPU flags", logical_cpus: "Logical CPUs", threads: "Threads", allocator: "Allocator", memory_bytes: "Memory", gpu: "GPU", driver: "Driver",
  cuda: "CUDA", os: "System", torch: "torch", vqt: "vqt", time: "Time"};

function environmentSection() {
  const rows = Object.entries(environment).filter(([key, value]) => key !== "command_line" && value !== null).flatMap(([key, value]) =>
    [el("dt", {}, ENVIRONMENT[key] ?? key), el("dd", {}, key === "memory_bytes" ? `${(value / 1e9).toFixed(1)} GB` : String(value))]);
  const timing = everyone.map((m) => m.timing), least = timing.reduce((a, b) => (b.timed_forwards < a.timed_forwards ? b : a));
  return [el("dl", {}, ...rows),
    el("p", {class: "soft"}, `Times are medians of ${least.timed_forwards} forward pass${least.timed_forwards === 1 ? "" : "es"} over the scene after ${least.warmup_forwards} for warm-up` +
      (timing.some((t) => t.timed_forwards !== least.timed_forwards) ? " at least" : "") +
      `. Other processes used at most ${Math.round(100 * Math.max(...timing.map((t) => t.used_by_others)))} % of the CPUs meanwhile` +
      "; every model ran in a process of its own, whose largest resident size is its peak memory. MB are 10^6 bytes."),
    environment.command_line ? el("h3", {}, "Command line") : null, environment.command_line ? el("pre", {tabindex: 0}, environment.command_line) : null];
}

function configSection() {
  return models.filter((m) => m.config !== null).map((m) => el("details", {}, el("summary", {}, `${m.name}: ${m.scheme}`),
    m.source === "preset" ? null : el("p", {class: "soft"}, `${m.source === "model" ? "From the model file" : "From"} ${m.path}`),
    el("pre", {tabindex: 0}, JSON.stringify(m.config, null, 2))));
}
