#include "loader/quantize/layer_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "loader/cli/text_table.h"
#include "loader/cli/units.h"
#include "vqt/quantile.h"

namespace vqt::cli {
namespace {

bool quantized(const SiteReport& site) { return site.action == "quantized"; }

// The reason of one layer, worded for several: without the layer's own name.
std::string general(const SiteReport& site) {
  const std::string& reason = site.reason;
  if (!std::isnan(site.ms_quantized))
    return reason.substr(0, reason.find(':'));  // "slower than float here: ..."
  // "... in method forward of NAME"; a name may also be a word of the sentence, as "first" is.
  const std::string owner = " of " + site.name;
  const size_t at = reason.size() - std::min(reason.size(), owner.size());
  return !site.name.empty() && reason.substr(at) == owner ? reason.substr(0, at) + " of its module" : reason;
}

// "  12 kept in floating point: reason: first, second and 10 more"
std::string kept_lines(const std::vector<SiteReport>& sites) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const SiteReport& s : sites) {
    if (!quantized(s)) by_reason[general(s)].push_back(s.name.empty() ? "the model" : s.name);
  }
  std::string out;
  for (const auto& [reason, names] : by_reason) {
    out += fmt::format("  {} kept in floating point: {}: {}{}{}\n", names.size(), reason, names[0],
                       names.size() > 1 ? ", " + names[1] : "",
                       names.size() > 2 ? fmt::format(" and {} more", names.size() - 2) : "");
  }
  return out;
}

double median_of(const std::vector<const SiteReport*>& sites, double SiteReport::*value) {
  std::vector<double> values;
  for (const SiteReport* s : sites) values.push_back(s->*value);
  return median(std::move(values));
}

std::string sqnr_line(const std::vector<SiteReport>& sites) {
  std::vector<const SiteReport*> measured;
  for (const SiteReport& s : sites) {
    if (quantized(s) && !std::isnan(s.weight_sqnr_db)) measured.push_back(&s);
  }
  if (measured.empty()) return "";
  std::sort(measured.begin(), measured.end(),
            [](const SiteReport* a, const SiteReport* b) { return a->weight_sqnr_db < b->weight_sqnr_db; });
  return fmt::format("weight SQNR: median {:.1f} dB, lowest {:.1f} dB ({})\n",
                     median_of(measured, &SiteReport::weight_sqnr_db), measured[0]->weight_sqnr_db,
                     measured[0]->name);
}

// Where inputs were given: the error of the layers' outputs, and the time of their kernels.
std::string measured_line(const std::vector<SiteReport>& sites) {
  std::vector<const SiteReport*> measured;
  double before = 0, after = 0;
  for (const SiteReport& s : sites) {
    if (!quantized(s) || std::isnan(s.output_sqnr_db)) continue;
    measured.push_back(&s);
    before += s.ms_float;
    after += s.ms_quantized;
  }
  if (measured.empty()) return "";
  std::sort(measured.begin(), measured.end(),
            [](const SiteReport* a, const SiteReport* b) { return a->output_sqnr_db < b->output_sqnr_db; });
  return fmt::format(
      "on --inputs: output SQNR median {:.1f} dB, lowest {:.1f} dB ({}); {} layers take {:.2f} ms, in floating "
      "point {:.2f} ms\n",
      median_of(measured, &SiteReport::output_sqnr_db), measured[0]->output_sqnr_db, measured[0]->name,
      measured.size(), after, before);
}

bool has_kind(const std::vector<SiteReport>& sites, const std::string& kind) {
  return std::any_of(sites.begin(), sites.end(), [&](const SiteReport& s) { return s.kind == kind; });
}

// "96 of 100 sites quantized: 90 w8a8, 6 w4a8-g64"
std::string kind_line(const std::vector<SiteReport>& sites, const std::string& kind) {
  int64_t all = 0, done = 0;
  std::map<std::string, int> schemes;
  for (const SiteReport& s : sites) {
    if (s.kind != kind) continue;
    ++all;
    if (!quantized(s)) continue;
    ++done;
    ++schemes[s.scheme];
  }
  std::string counts;
  for (const auto& [scheme, count] : schemes)
    counts += fmt::format("{}{} {}", counts.empty() ? ": " : ", ", count, scheme);
  return fmt::format("{} of {} {}sites quantized{}\n", done, all, kind == "linear" ? "" : kind + " ", counts);
}

}  // namespace

std::string layer_lines(const std::vector<SiteReport>& sites, bool planned) {
  std::vector<std::vector<std::string>> rows;
  for (const SiteReport& s : sites) {
    const bool changes = planned && quantized(s);
    const std::string bytes = changes ? fmt::format("{} -> {} bytes", s.bytes_before, s.bytes_after)
                                      : fmt::format("{} bytes", s.bytes_after);
    rows.push_back({s.name.empty() ? "-" : s.name, has_weight(s) ? fmt::format("[{}, {}]", s.n, s.k) : "-",
                    changes ? "-> " + s.scheme : s.scheme, has_weight(s) ? bytes : "-", s.reason});
  }
  return text_table(rows, {kAnyWidth, 5});  // names in full, for grep
}

Totals totals(const std::vector<SiteReport>& sites) {
  Totals t;
  for (const SiteReport& s : sites) {
    t.quantized_weights += quantized(s) && has_weight(s);
    t.bytes_before += s.bytes_before;
    t.bytes_after += s.bytes_after;
  }
  return t;
}

std::string fusion_lines(const std::vector<FusionCount>& fusions) {
  std::string line, left;
  for (const FusionCount& fusion : fusions) {
    line += fmt::format("{}{} {}", line.empty() ? "fusions: " : ", ", fusion.made, fusion.name);
    for (const auto& [reason, count] : fusion.left)
      left += fmt::format("  {} {} not made: {}\n", count, fusion.name, reason);
  }
  return line.empty() ? "" : line + "\n" + left;
}

std::string summary(const std::vector<SiteReport>& sites) {
  std::string out = kind_line(sites, "linear");
  for (const std::string kind : {"convolution", "attention"}) {
    if (has_kind(sites, kind)) out += kind_line(sites, kind);
  }
  return out + kept_lines(sites) + sqnr_line(sites) + measured_line(sites);
}

std::string weights_line(const std::vector<SiteReport>& sites) {
  const Totals t = totals(sites);
  if (t.bytes_before == 0) return "";  // attention alone
  return fmt::format("  of it weights of {}: {} -> {} ({})\n",
                     has_kind(sites, "convolution") ? "these layers" : "Linear layers",
                     bytes_text(t.bytes_before), bytes_text(t.bytes_after),
                     ratio_text(t.bytes_before, t.bytes_after));
}

}  // namespace vqt::cli
