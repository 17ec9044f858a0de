// The share of the instructions' peak rate that the int8 product reaches: u8 rows times packed s8 weights into
// int32 sums, without quantizer and epilogue, at VGGT's shapes, against the same instructions on registers alone.
// Both are timed in turns; every figure is the best of its repetitions. Prints JSON:
//   {"isa", "threads", "register": multiply-adds per second,
//    "product": {"int8": [{"m", "k", "n", "rate", "share"}]}}
// product is empty where the instruction set has no kernel of that kind.
//   product_bench [--quick] [--threads N] [--repetitions N] [--rows M]
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/register_rate.h"
#include "cpu/isa.h"
#include "cpu/layout/activation.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "ops/run_plan.h"

namespace {

using vqt::cpu::Isa;

struct Shape {
  int64_t m, k, n;
};

struct Flags {
  bool quick = false;
  int repetitions = 15;
  int64_t rows = 0;  // 0: all
};

// --threads takes effect at once. An unknown flag ends the program with 2 and the usage on stderr.
Flags parse_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto number = [&] { return std::max(1, std::atoi(argv[++i])); };
    if (flag == "--quick") {
      flags.quick = true;
    } else if (flag == "--rows" && i + 1 < argc) {
      flags.rows = number();
    } else if (flag == "--threads" && i + 1 < argc) {
      at::set_num_threads(number());
    } else if (flag == "--repetitions" && i + 1 < argc) {
      flags.repetitions = number();
    } else {
      const char* usage =
          "usage: product_bench [--quick] [--rows M] [--threads N] [--repetitions N], got %s\n";
      std::fprintf(stderr, usage, argv[i]);
      std::exit(2);
    }
  }
  return flags;
}

template <class Work>
double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<uint8_t> random_bytes(int64_t count) {
  std::mt19937 random(1);
  std::vector<uint8_t> v(static_cast<size_t>(count));
  for (uint8_t& x : v) x = static_cast<uint8_t>(random());
  return v;
}

// Buffers of one shape; x in the layout of this instruction set's kernel.
class Product {
 public:
  Product(const Shape& s, Isa isa)
      : kernel_(vqt::cpu::product_int8_kernel(isa)),
        plan_(vqt::plan_linear({s.m, 0, s.n, s.k, 8, at::get_num_threads(), isa})),
        x_(random_bytes((s.m + 1) * vqt::cpu::activation_bytes_per_row(s.k))),
        w_(random_bytes(s.n * s.k + 64)),
        y_(static_cast<size_t>(s.m * s.n)) {
    job_.k = s.k;
    job_.x = vqt::cpu::activation_rows(x_.data(), s.m, s.k, vqt::cpu::activation_tile(isa));
    job_.w = reinterpret_cast<const int8_t*>((reinterpret_cast<uintptr_t>(w_.data()) + 63) / 64 * 64);
    job_.out.y = y_.data();
    job_.out.y_stride = s.n;
  }

  void run() const { vqt::run_plan(plan_, job_, kernel_); }

 private:
  vqt::cpu::LinearInt8Fn kernel_;
  vqt::LinearPlan plan_;
  std::vector<uint8_t> x_, w_;
  std::vector<float> y_;
  vqt::cpu::LinearInt8Job job_;
};

}  // namespace

int main(int argc, char** argv) {
  Flags flags = parse_flags(argc, argv);
  std::vector<Shape> shapes;
  for (const auto& [k, n] : {std::pair<int64_t, int64_t>{1024, 1024},
                             {1024, 3072},
                             {1024, 4096},
                             {4096, 1024},
                             {2048, 2048},
                             {2048, 6144},
                             {2048, 8192},
                             {8192, 2048}}) {
    for (int64_t m : {197, 1374, 2748}) {
      if (flags.rows == 0 || flags.rows == m) shapes.push_back({m, k, n});
    }
  }
  if (flags.rows != 0 && shapes.empty()) {
    for (int64_t k : {1024, 4096}) shapes.push_back({flags.rows, k, 1024});
  }
  if (flags.quick) {
    shapes = {{13, 128, 64}};
    flags.repetitions = 2;
  }

  const Isa isa = vqt::cpu::best_isa();
  const int64_t turns = flags.quick ? 1000 : 200000;
  const auto clocked = [](const auto& work) { return seconds(work); };
  double rate = 0;
  std::vector<double> product(shapes.size(), 0.0);
  for (size_t i = 0; i < shapes.size(); ++i) {
    const Shape& s = shapes[i];
    rate = std::max(rate, vqt::bench::register_rate(isa, turns, clocked));
    if (vqt::cpu::product_int8_kernel(isa) == nullptr) continue;
    const Product work(s, isa);
    for (int r = 0; r < flags.repetitions; ++r) {
      product[i] = std::max(product[i], static_cast<double>(s.m * s.k * s.n) / seconds([&] { work.run(); }));
      rate = std::max(rate, vqt::bench::register_rate(isa, turns, clocked));
    }
  }
  std::printf("{\"isa\": \"%s\", \"threads\": %d, \"register\": %.6g, \"product\": {",
              vqt::cpu::to_string(isa), at::get_num_threads(), rate);
  const char* before = "\"int8\": [";
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (product[i] == 0.0) continue;
    std::printf("%s\n  {\"m\": %lld, \"k\": %lld, \"n\": %lld, \"rate\": %.6g, \"share\": %.4f}", before,
                static_cast<long long>(shapes[i].m), static_cast<long long>(shapes[i].k),
                static_cast<long long>(shapes[i].n), product[i], product[i] / rate);
    before = ",";
  }
  std::printf("%s}}\n", before[0] == ',' ? "]" : "");
  return 0;
}
