#include "pareto.h"

#include <algorithm>

#include "winners.h"

namespace vqt {
namespace {

bool beats(const ModelResult& a, const ModelResult& b) {
  const double size = size_value(a) - size_value(b), speed = speed_value(a) - speed_value(b);
  const double psnr_a = lowest_psnr(a), psnr_b = lowest_psnr(b);  // may be infinite: no difference of them
  if (size < -kSizeMargin || speed < -kTimeMargin || psnr_a < psnr_b) return false;
  return size > kSizeMargin || speed > kTimeMargin || psnr_a > psnr_b;
}

}  // namespace

std::vector<bool> pareto_front(const EvalReport& report) {
  const std::vector<const ModelResult*> rivals = contenders(report);
  std::vector<bool> front;
  for (const ModelResult& m : report.models) {
    const bool contends = std::find(rivals.begin(), rivals.end(), &m) != rivals.end();
    front.push_back(contends && std::none_of(rivals.begin(), rivals.end(),
                                             [&](const ModelResult* other) { return beats(*other, m); }));
  }
  return front;
}

}  // namespace vqt
