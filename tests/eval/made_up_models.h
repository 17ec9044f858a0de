// Results of models that were never run.
#pragma once

#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

// Two outputs, the worse of which has this PSNR.
inline ModelResult model(const std::string& name, double psnr, int64_t bytes, double ms) {
  ModelResult m;
  m.name = name;
  m.cost.size_bytes = bytes;
  m.cost.ms_per_image = ms;
  Metrics good, bad;
  good.count = bad.count = 10;
  good.psnr_db = psnr + 20;
  bad.psnr_db = psnr;
  m.outputs = {{"pose", good}, {"depth", bad}};
  return m;
}

}  // namespace vqt
