// A limit of accuracy: how much a model may lose and still be accepted. Torch-free.
#pragma once

#include <string>

namespace vqt {

struct Limit {
  enum class Kind { kAbsolute, kChange, kPercent };  // psnr=35, auc_30=-2, abs_rel=+5%
  std::string text;                                  // as given
  std::string metric;                                // psnr, auc_30, abs_rel, points.overall, ...
  Kind kind = Kind::kAbsolute;
  double value = 0;  // dB, the metric's unit, or percent of the float model's value
};

}  // namespace vqt
