// linear_int8 and linear_int4 (float32 in and out, dynamic activations, quantizing x included) against
// torch's float32 linear, at VGGT's shapes. All three are timed in turns in one run, on weights that rotate
// through more memory than the last cache; every figure is the least of its repetitions.
//   linear_bench [--quick] [--rows M] [--threads N] [--repetitions N] [--cpu-time]
// --cpu-time counts the processor time of one thread, for a machine that has other work to do.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <torch/library.h>

#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "bench/bench_flags.h"
#include "bench/register_rate.h"
#include "cpu/isa.h"
#include "cpu/linear_plan.h"
#include "vqt/ops.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kRotatedBytes = int64_t{96} << 20;

struct Shape {
  int64_t m, k, n;
};

bool cpu_time = false;

double now() {
  if (!cpu_time) return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double seconds(const std::function<void()>& work) {
  const double start = now();
  work();
  return now() - start;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

using LinearInt8 = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                              const std::optional<at::Tensor>&, const std::optional<at::Tensor>&,
                              std::string_view, bool, double, int64_t, int64_t, int64_t, std::string_view,
                              const std::optional<at::Tensor>&, const std::optional<at::Tensor>&,
                              std::optional<at::ScalarType>, double, int64_t, bool);
using LinearInt4 = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                              const std::optional<at::Tensor>&, const std::optional<at::Tensor>&, int64_t,
                              std::string_view, bool, double, int64_t, int64_t, int64_t, std::string_view,
                              const std::optional<at::Tensor>&, const std::optional<at::Tensor>&,
                              std::optional<at::ScalarType>, double, int64_t, bool);

template <class Schema>
c10::TypedOperatorHandle<Schema> find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Schema>();
}

at::Tensor packed(const at::Tensor& w, int64_t bits, const char* granularity, int64_t group) {
  const auto [scale, zero] = vqt::choose_qparams(w, bits, true, granularity, group);
  const at::Tensor q = vqt::quantize(w, scale, zero, bits, true, granularity, group);
  return vqt::pack_weight(q, scale, zero, bits, true, granularity, group, -1, "auto");
}

std::vector<at::Tensor> copies(const at::Tensor& weight, bool quick) {
  const int64_t count = quick ? 1 : std::clamp<int64_t>(kRotatedBytes / weight.nbytes(), 2, 64);
  std::vector<at::Tensor> all = {weight};
  while (static_cast<int64_t>(all.size()) < count) all.push_back(weight.clone());
  return all;
}

struct Result {
  double torch = 1e9, int8 = 1e9, int4 = 1e9;
};

Result measure(const Shape& s, int repetitions, bool quick) {
  const at::Tensor x = at::randn({s.m, s.k}), w = at::randn({s.n, s.k}), bias = at::randn({s.n});
  const auto int8 = find<LinearInt8>("vqt::linear_int8");
  const auto int4 = find<LinearInt4>("vqt::linear_int4");
  const std::vector<at::Tensor> w32 = copies(w, quick), w8 = copies(packed(w, 8, "per_channel", 0), quick);
  const std::vector<at::Tensor> w4 = copies(packed(w, 4, "group", 128), quick);
  Result r;
  size_t turn = 0;
  const auto begin = Clock::now();
  // few rows take microseconds: more repetitions, for at least half a second
  while (repetitions-- > 0 || (!quick && std::chrono::duration<double>(Clock::now() - begin).count() < 0.5)) {
    ++turn;
    r.torch = std::min(r.torch, seconds([&] { at::linear(x, w32[turn % w32.size()], bias); }));
    r.int8 = std::min(r.int8, seconds([&] {
                        int8.call(x, w8[turn % w8.size()], bias, {}, {}, "dynamic", false, 0.0, 0, 0, -1,
                                  "none", {}, {}, {}, 0.0, 0, false);
                      }));
    r.int4 = std::min(r.int4, seconds([&] {
                        int4.call(x, w4[turn % w4.size()], bias, {}, {}, 0, "dynamic", false, 0.0, 0, 0, -1,
                                  "none", {}, {}, {}, 0.0, 0, false);
                      }));
  }
  return r;
}

}  // namespace

int main(int argc, char** argv) {
  vqt::bench::Flags flags = vqt::bench::parse_flags(argc, argv, "linear_bench", true);
  cpu_time = flags.cpu_time;
  std::vector<Shape> shapes;
  for (const auto& [k, n] :
       {std::pair<int64_t, int64_t>{1024, 1024}, {1024, 3072}, {1024, 4096}, {4096, 1024}}) {
    for (int64_t m : {1, 16, 197, 1374}) shapes.push_back({m, k, n});
  }
  if (flags.rows > 0) {
    const auto other = [&](const Shape& s) { return s.m != flags.rows; };
    shapes.erase(std::remove_if(shapes.begin(), shapes.end(), other), shapes.end());
  }
  if (cpu_time) at::set_num_threads(1);
  if (flags.quick) {
    shapes = {{5, 128, 32}};
    flags.repetitions = 1;
  }
  const vqt::cpu::Isa isa = vqt::cpu::best_isa();
  double rate = 0.0;
  for (int i = 0; i < 20; ++i) rate = std::max(rate, vqt::bench::register_rate(isa, 100000, seconds));
  std::printf("%s, %s, %d threads; %s on registers alone: %.1f G multiply-adds/s\n\n", cpu_name().c_str(),
              vqt::cpu::to_string(isa), at::get_num_threads(),
              isa == vqt::cpu::Isa::kAvx2 ? "vpmaddwd + vpaddd" : "vpdpbusd", rate / 1e9);
  std::printf(
      "| M x K -> N | torch float32 ms | GFLOP/s | int8 ms | ratio | share of rate | int4 g128 ms | ratio | "
      "plan |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Shape& s : shapes) {
    const Result r = measure(s, flags.repetitions, flags.quick);
    const double products = static_cast<double>(s.m) * s.k * s.n;
    const vqt::LinearPlan plan = vqt::plan_linear({s.m, 0, s.n, s.k, 8, at::get_num_threads(), isa});
    std::printf("| %lld x %lld -> %lld | %.3f | %.1f | %.3f | %.2f | %.2f | %.3f | %.2f | %lld x %lld |\n",
                static_cast<long long>(s.m), static_cast<long long>(s.k), static_cast<long long>(s.n),
                r.torch * 1e3, 2 * products / r.torch / 1e9, r.int8 * 1e3, r.torch / r.int8,
                rate > 0 ? products / r.int8 / rate : 0.0, r.int4 * 1e3, r.torch / r.int4,
                static_cast<long long>(plan.row_tasks), static_cast<long long>(plan.column_tasks));
    std::fflush(stdout);
  }
  return 0;
}
