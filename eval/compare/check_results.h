// --check: the results of a run beside those of its repetition. Torch-free.
#pragma once

#include <string>
#include <vector>

#include "eval/results/json.h"

namespace vqt {

struct CheckedFigure {
  std::string model;    // "scene", or its name
  std::string subject;  // an output's path, or what was scored; empty: the model itself
  std::string name;     // of the figure, as in results.json
  Json recorded, now;   // null: none
  double allowed = 0;   // difference; 0: none
  bool within = false;
};

// Two results.json. Archives' sizes, shapes, schemes and counts have to be equal, other figures as near as a
// change of PSNR by tolerance_db would be:
// - PSNR itself by that many dB
// - mean errors, distances and angles by that ratio, 10^(dB / 20) - 1 of their value (0.1 dB: 1.2 %)
// - 1 - cosine, which grows with the square of an error, by 10^(dB / 10) - 1
// - percentages by as many points as errors by percent
// - the reference's minimum and maximum by that share of their range
// PSNR above 100 dB comes from float32 rounding and may fall to 100. Time and memory are left out.
std::vector<CheckedFigure> check_results(const Json& recorded, const Json& now, double tolerance_db);

bool all_within(const std::vector<CheckedFigure>& figures);

// The figures that differ by more than allowed; time and memory of both, for information; one line with the
// verdict.
std::string check_text(const std::vector<CheckedFigure>& figures, const Json& recorded, const Json& now);

}  // namespace vqt
