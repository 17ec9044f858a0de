// Loops over blocks, so that partial sums are few and do not depend on the number of threads.
#include "passes/rewrite/weight_stats.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "ops/parallel.h"

namespace vqt {
namespace {

constexpr int64_t kBlock = 1 << 14;

int64_t blocks_of(int64_t values) { return (values + kBlock - 1) / kBlock; }

}  // namespace

bool all_finite(const at::Tensor& w) {
  const float* values = w.const_data_ptr<float>();
  const int64_t n = w.numel();
  std::atomic<bool> finite{true};
  at::parallel_for(0, blocks_of(n), 1, [&](int64_t begin, int64_t end) {
    uint32_t largest = 0;  // of the bits without their sign: NaN and Inf have the largest exponent
    for (int64_t i = begin * kBlock; i < std::min(end * kBlock, n); ++i) {
      uint32_t bits;
      std::memcpy(&bits, values + i, sizeof(bits));
      largest = std::max(largest, bits & 0x7fffffffu);
    }
    if (largest >= 0x7f800000u) finite = false;
  });
  return finite;
}

double sqnr_db(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kFloat).contiguous(), y = b.to(at::kFloat).contiguous();
  const float* xs = x.const_data_ptr<float>();
  const float* ys = y.const_data_ptr<float>();
  const int64_t n = x.numel();
  std::vector<double> signal(blocks_of(n)), noise(blocks_of(n));
  at::parallel_for(0, blocks_of(n), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      double s[8] = {}, e[8] = {};  // eight chains instead of one latency after the other
      const int64_t first = block * kBlock, last = std::min(first + kBlock, n);
      for (int64_t i = first; i < last; ++i) {
        const double value = xs[i], error = xs[i] - ys[i];
        s[i % 8] += value * value;
        e[i % 8] += error * error;
      }
      for (int lane = 0; lane < 8; ++lane) {
        signal[block] += s[lane];
        noise[block] += e[lane];
      }
    }
  });
  double total_signal = 0.0, total_noise = 0.0;
  for (size_t block = 0; block < signal.size(); ++block) {
    total_signal += signal[block];
    total_noise += noise[block];
  }
  if (total_noise == 0.0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(total_signal / total_noise);
}

}  // namespace vqt
