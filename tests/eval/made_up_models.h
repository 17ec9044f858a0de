// Results of models that were never run.
#pragma once

#include <string>
#include <utility>
#include <vector>

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

// Beside a float model of 100 MB that takes 100 ms.
inline EvalReport report(std::vector<ModelResult> models) {
  EvalReport r;
  r.reference.cost.size_bytes = 100000000;
  r.reference.cost.ms_per_image = 100;
  r.models = std::move(models);
  return r;
}

}  // namespace vqt
