// Limits of accuracy: parsing them and holding models against them. Torch-free.
#pragma once

#include <string>

#include "eval/results/limit.h"
#include "eval/results/model_result.h"

namespace vqt {

// METRIC=VALUE. psnr is the PSNR of a model's worst output in dB. The others are those of ground truth: a
// value without sign is the bound itself, one with a sign how far the model may be off the float model, and
// with % how far in percent of its value. Throws UsageError: what is wrong and what there is.
Limit parse_limit(const std::string& text);

bool needs_truth(const std::string& metric);
bool more_is_better(const std::string& metric);

// What a model scored; NaN: it has no such score. Equal outputs have an infinite PSNR; of the float model
// this is the PSNR, too. A model that returns NaN or Inf where the float model does not has no PSNR.
double value_of(const std::string& metric, const ModelResult& model);
double value_of(const std::string& metric, const ReferenceResult& reference);

// The last value that holds.
double bound_of(const Limit& limit, const ReferenceResult& reference);
bool holds(const Limit& limit, double bound, double value);

// The share of the error budget between `from` and the bound that a change to `to` uses: 0 nothing, 1 all of
// it. PSNR counts as noise power, which adds up over the layers of a network. NaN uses an infinite share.
double budget_used(const Limit& limit, double bound, double from, double to);

// "lowest PSNR at least 35 dB", "AUC@30 at least 71.2 % (float model: 73.2)".
std::string describe(const Limit& limit, const ReferenceResult& reference);
// "35.2 dB", "71.20 %"; "-" for NaN.
std::string value_text(const std::string& metric, double value);
std::string title_of(const std::string& metric);  // lowest PSNR, AUC@30, points overall

}  // namespace vqt
