#include "passes/calibration/interleaved_times.h"

#include <algorithm>
#include <limits>

namespace vqt {
namespace {

constexpr int kMostTurns = 5, kFewestTurns = 2;
constexpr double kEnoughMs = 500.0;

}  // namespace

Times interleaved_times(const std::function<void()>& first, const std::function<void()>& second,
                        const std::function<void()>& between, const std::function<double()>& clock) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  Times best = {kInf, kInf};
  double spent = 0.0;
  const auto run = [&](const std::function<void()>& work, double& shortest) {
    between();
    const double start = clock();
    work();
    const double time = clock() - start;
    shortest = std::min(shortest, time);
    spent += time;
  };
  first();
  second();
  for (int turn = 0; turn < kMostTurns && (turn < kFewestTurns || spent < kEnoughMs); ++turn) {
    run(first, best.first);
    run(second, best.second);
  }
  return best;
}

}  // namespace vqt
