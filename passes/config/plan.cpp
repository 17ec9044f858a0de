// The rule that decides about a site, in order: `convolutions`, unsupported, ignore, skip_first_last, overrides,
// mixed precision, base.
#include "vqt/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <tuple>

#include "vqt/error.h"
#include "vqt/fields.h"
#include "vqt/nearest.h"
#include "vqt/packing.h"

namespace vqt {
namespace {

const std::string* first_match(const std::vector<std::string>& patterns, const std::string& name) {
  for (const std::string& pattern : patterns) {
    if (matches(pattern, name)) return &pattern;
  }
  return nullptr;
}

// ---- patterns that match nothing
// The longest run of plain text in a regular expression.
std::string literal_part(const std::string& expression) {
  std::string best, run;
  for (size_t i = 0; i <= expression.size(); ++i) {
    const bool escaped = i + 1 < expression.size() && expression[i] == '\\' && expression[i + 1] == '.';
    if (escaped) ++i;
    const char c = i < expression.size() ? expression[i] : '*';
    if (escaped || std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
      run += c;
      continue;
    }
    if (run.size() > best.size()) best = run;
    run.clear();
  }
  return best;
}

std::string without_digits(std::string name) {  // block 3 and block 17 are one suggestion
  name.erase(std::remove_if(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); }),
             name.end());
  return name;
}

// Names that are near to the pattern, best first, at most three and of different kinds.
std::string suggestions(const std::string& pattern, const std::vector<SiteInfo>& sites) {
  const bool regex = pattern.rfind("re:", 0) == 0;
  const bool dotted = !regex && pattern.find('.') != std::string::npos;
  const std::string text = regex ? literal_part(pattern.substr(3)) : pattern;
  struct Candidate {
    size_t distance, whole;  // whole: between equals, the one of a like length
    std::string name, shown;
  };
  std::vector<Candidate> found;
  for (const SiteInfo& site : sites) {
    if (regex) found.push_back({substring_distance(text, site.name), 0, site.name, site.name});
    for (size_t begin = 0, dot = 0; dot != std::string::npos && !regex; begin = dot + 1) {
      dot = site.name.find('.', begin);
      const std::string module = site.name.substr(0, dot);
      const std::string component = site.name.substr(begin, dot - begin);
      if (dotted) {
        found.push_back({edit_distance(text, module), 0, module, module});
      } else {
        found.push_back({substring_distance(text, component), edit_distance(text, component), component,
                         fmt::format("{} (in {})", component, site.name)});
      }
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.distance, a.whole) < std::tie(b.distance, b.whole);
  });
  std::string list;
  std::set<std::string> kinds;
  for (const Candidate& c : found) {
    if (kinds.size() == 3 || c.distance > std::max(found[0].distance, text.size() / 3)) break;
    if (kinds.insert(without_digits(c.name)).second) list += (list.empty() ? "" : ", ") + c.shown;
  }
  return list;
}

void check_used(const std::vector<std::string>& patterns, const std::string& path,
                const std::vector<SiteInfo>& sites, const QuantizationConfig& config) {
  for (const std::string& pattern : patterns) {
    if (std::any_of(sites.begin(), sites.end(), [&](const SiteInfo& s) { return matches(pattern, s.name); }))
      continue;
    const std::string nearest = suggestions(pattern, sites);
    const bool frozen = std::any_of(sites.begin(), sites.end(),
                                    [](const SiteInfo& s) { return s.name.rfind("frozen.", 0) == 0; });
    throw UsageError(
        fmt::format("{}: \"{}\" matches no layer; {}{}", field_label(config, path), pattern,
                    nearest.empty() ? "the model has none" : "nearest: " + nearest,
                    frozen ? "; the module is frozen, which loses the names of its layers: quantize it "
                             "before torch.jit.freeze"
                           : ""));
  }
}

// ---- one site
struct Ends {
  size_t first = SIZE_MAX, last = SIZE_MAX;
};
// Counted before sites are ignored or unsupported. Sites that may not run are neither first nor last.
Ends first_and_last(const std::vector<SiteInfo>& sites, bool with_convolutions) {
  Ends ends;
  for (size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].optional_only || sites[i].calls == 0) continue;
    if (sites[i].kind == SiteKind::kConvolution && !with_convolutions) continue;
    if (ends.first == SIZE_MAX) ends.first = i;
    ends.last = i;
  }
  return ends;
}

// Why a legal scheme runs on the reference kernel, or "": only groups that are no multiple of 8 do.
std::string slow_because(const Scheme& s, int64_t k) {
  if (s.bits == 16 || has_fast_layout(k, s)) return "";
  return fmt::format("group_size {} is not a multiple of 8 (--group-size {} is)", s.group_size,
                     std::max<int64_t>(s.group_size / 8 * 8, 8));
}

// Why int32 sums forbid a scheme with these activations, or "". Whatever layout is stored, a repack chooses the
// fast one.
std::string too_deep(const Scheme& s, int64_t k, ActivationMode activation) {
  const SumDepth sum = sum_depth(k, s, has_fast_layout(k, s), activation);
  if (sum.exact()) return "";
  const std::string what =
      sum.depth == k ? fmt::format("K = {}", k) : fmt::format("a group of {}", sum.depth);
  return fmt::format("{} is too deep for int32 sums (at most {}); use activation none", what, sum.limit);
}

void add_reason(std::string& reason, const std::string& more) {
  if (!more.empty()) reason += (reason.empty() ? "" : "; ") + more;
}

PlannedSite keep_float(const std::string& reason) {
  PlannedSite p;
  p.keep_float = true;
  p.reason = reason;
  return p;
}

// Convolutions have one scheme: 8 bits per channel, activations quantized at run time. What asks for more precision
// keeps them in floating point, what asks for less does not apply.
PlannedSite as_convolution(PlannedSite p, const QuantizationConfig& config) {
  const auto kept = [&](const char* because) {
    add_reason(p.reason, because);
    return keep_float(p.reason);
  };
  if (p.scheme.bits > 8) return kept("16 bits: convolutions have 8 or are kept in floating point");
  if (config.activation == ActivationMode::kNone)
    return kept("activation none: convolutions compute with quantized activations");
  if (config.device != "cpu") return kept("convolutions have kernels for the CPU only");
  if (!(p.scheme == Scheme{})) add_reason(p.reason, "convolutions have 8 bits per channel");
  p.scheme = Scheme{};
  return p;
}

PlannedSite plan_site(const SiteInfo& site, bool first, bool last, const QuantizationConfig& config) {
  const bool convolution = site.kind == SiteKind::kConvolution;
  if (convolution && config.convolutions == "float") return keep_float("convolutions: float");
  if (!site.unsupported_reason.empty()) return keep_float(site.unsupported_reason);
  if (const std::string* pattern = first_match(config.ignore, site.name)) {
    return keep_float(fmt::format("ignore \"{}\"", *pattern));
  }
  if (config.skip_first_last && (first || last)) {
    return keep_float(fmt::format("skip_first_last: {} layer", first && last ? "the only"
                                                               : first       ? "first"
                                                                             : "last"));
  }
  PlannedSite p;
  const std::string* sensitive = is_mixed(config) ? first_match(config.sensitive_layers, site.name) : nullptr;
  p.scheme = resolve_scheme(config, sensitive != nullptr);
  if (is_mixed(config)) {
    p.reason =
        sensitive ? fmt::format("mixed_precision: sensitive \"{}\"", *sensitive) : "mixed_precision: normal";
  }
  for (size_t i = config.overrides.size(); i-- > 0;) {
    const std::string* pattern = first_match(config.overrides[i].targets, site.name);
    if (!pattern) continue;
    p.scheme = derive_scheme(p.scheme, config.overrides[i]);
    p.reason = fmt::format("overrides[{}] \"{}\"", i, *pattern);
    break;
  }
  return convolution ? as_convolution(std::move(p), config) : p;
}

// ---- tied weights
// Larger is more precise: bits, then fewer weights per scale, then asymmetric.
auto precision(const PlannedSite& p, const SiteInfo& site) {
  const Scheme& s = p.scheme;
  return std::make_tuple(p.keep_float, s.bits, -values_per_scale(site.n, site.k, s), !s.symmetric);
}

void settle_tied(const std::vector<SiteInfo>& sites, std::vector<PlannedSite>& plan) {
  std::map<int64_t, std::vector<size_t>> groups;
  for (size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].tied >= 0) groups[sites[i].tied].push_back(i);
  }
  for (const auto& [tied, members] : groups) {
    const size_t best = *std::max_element(members.begin(), members.end(), [&](size_t a, size_t b) {
      return precision(plan[a], sites[a]) < precision(plan[b], sites[b]);
    });
    const PlannedSite chosen = plan[best];
    for (const size_t i : members) {
      if (plan[i].keep_float == chosen.keep_float && (chosen.keep_float || plan[i].scheme == chosen.scheme))
        continue;
      plan[i] = chosen;
      plan[i].reason = fmt::format("shares its weight with {}{}{}", sites[best].name,
                                   chosen.keep_float ? ", which is kept in floating point" : "",
                                   chosen.reason.empty() ? "" : " (" + chosen.reason + ")");
    }
  }
}

}  // namespace

std::vector<PlannedSite> plan_schemes(const std::vector<SiteInfo>& sites, const QuantizationConfig& config) {
  validate(config);
  check_used(config.ignore, "ignore", sites, config);
  if (is_mixed(config) && config.sensitive_layers_given) {
    check_used(config.sensitive_layers, "sensitive_layers", sites, config);
  }
  for (size_t i = 0; i < config.overrides.size(); ++i) {
    check_used(config.overrides[i].targets, fmt::format("overrides[{}].targets", i), sites, config);
  }
  const Ends linears = first_and_last(sites, false), layers = first_and_last(sites, true);
  std::vector<PlannedSite> plan;
  for (size_t i = 0; i < sites.size(); ++i) {
    const Ends& ends = sites[i].kind == SiteKind::kConvolution ? layers : linears;
    plan.push_back(plan_site(sites[i], i == ends.first, i == ends.last, config));
  }
  settle_tied(sites, plan);
  for (size_t i = 0; i < sites.size(); ++i) {
    PlannedSite& p = plan[i];
    if (p.keep_float) continue;
    const bool convolution = sites[i].kind == SiteKind::kConvolution;
    const int64_t k = convolution ? sites[i].stored_k : sites[i].k;
    p.activation = p.scheme.bits == 16 ? ActivationMode::kNone
                   : convolution       ? ActivationMode::kDynamic
                                       : config.activation;
    if (const std::string reason = too_deep(p.scheme, k, p.activation); !reason.empty()) {
      p = keep_float(reason);
      continue;
    }
    p.activation_symmetric = config.activation_symmetric && p.activation != ActivationMode::kNone;
    if (p.activation != config.activation)
      add_reason(p.reason, convolution ? "convolutions quantize their activations at run time"
                                       : "16 bits compute with floating-point activations");
    p.slow = slow_because(p.scheme, k);
    if (!p.slow.empty()) add_reason(p.reason, "reference kernel: " + p.slow);
  }
  return plan;
}

int64_t predicted_bytes(int64_t n, int64_t k, const Scheme& scheme, const std::string& device) {
  if (n == 0) return 0;
  return packed_bytes(n, k, scheme, device == "cpu");
}

}  // namespace vqt
