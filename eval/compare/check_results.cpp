#include "eval/compare/check_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/ground_truth/scores.h"
#include "loader/cli/text_table.h"

namespace vqt {
namespace {

constexpr double kRoundingDb = 100;  // above it float32 rounding is what differs
constexpr double kRounding = 1e-6;   // for scores, which may be 0

struct Tolerance {
  double db;
  double error() const { return std::pow(10, db / 20) - 1; }
  double squared_error() const { return std::pow(10, db / 10) - 1; }
};

class Check {
 public:
  explicit Check(double db) : tolerance_{db} {}

  void scene(const Json& recorded, const Json& now) {
    for (const char* name : {"pictures", "height", "width", "frames_per_forward"})
      add("scene", "", name, recorded, now, 0);
  }

  void reference(const Json& recorded, const Json& now) {
    const std::string model = "reference";
    add(model, "", "size_bytes", recorded, now, 0);
    for_each_output(recorded, now, [&](const std::string& path, const Json& was, const Json& is) {
      const double range = number(was, "max") - number(was, "min");
      add(model, path, "shape", was, is, 0);
      for (const char* name : {"min", "max"}) add(model, path, name, was, is, tolerance_.error() * range);
    });
    scores(model, recorded, now);
  }

  void model(const Json& recorded, const Json& now) {
    const std::string model = recorded.value("name", "?");
    add(model, "", "scheme", recorded, now, 0);
    add(model, "", "size_bytes", recorded, now, 0);
    for_each_output(recorded, now, [&](const std::string& path, const Json& was, const Json& is) {
      const Tolerance t{std::max(tolerance_.db, number(was, "psnr_db") - kRoundingDb)};
      add(model, path, "psnr_db", was, is, t.db);
      add(model, path, "cosine", was, is, t.squared_error() * std::abs(1 - number(was, "cosine")));
      add(model, path, "mae", was, is, t.error() * number(was, "mae"));
      add(model, path, "nonfinite", was, is, 0);
    });
    scores(model, recorded, now);
  }

  std::vector<CheckedFigure> figures;

 private:
  static double number(const Json& object, const std::string& name) {
    const Json value = object.value(name, Json());
    return value.is_number() ? value.get<double>() : 0;
  }

  void add(const std::string& model, const std::string& subject, const std::string& name,
           const Json& recorded, const Json& now, double allowed) {
    CheckedFigure f{model,   subject, name, recorded.value(name, Json()), now.value(name, Json()),
                    allowed, false};
    f.within = allowed > 0 && f.recorded.is_number() && f.now.is_number()
                   ? std::abs(f.recorded.get<double>() - f.now.get<double>()) <= allowed
                   : f.recorded == f.now;
    figures.push_back(std::move(f));
  }

  // Of both runs: for an output that only one has, the figures of the other are null.
  template <class Visit>
  void for_each_output(const Json& recorded, const Json& now, Visit visit) {
    const Json was = recorded.value("outputs", Json::object()), is = now.value("outputs", Json::object());
    for (const auto& [path, values] : was.items()) visit(path, values, is.value(path, Json::object()));
    for (const auto& [path, values] : is.items()) {
      if (!was.contains(path)) visit(path, Json::object(), values);
    }
  }

  void scores(const std::string& model, const Json& recorded, const Json& now) {
    if (!recorded.contains("ground_truth") && !now.contains("ground_truth")) return;
    const Json was = recorded.value("ground_truth", Json::object()),
               is = now.value("ground_truth", Json::object());
    for (const TruthMetric& metric : kTruthMetrics) {
      const Json before = was.value(metric.group, Json::object());
      const bool percent = std::string(metric.unit) == "%";
      const double size = percent ? 100 : number(before, metric.key);
      add(model, metric.group, metric.key, before, is.value(metric.group, Json::object()),
          tolerance_.error() * size + kRounding);
    }
  }

  Tolerance tolerance_;
};

const Json& model_named(const Json& results, const Json& name) {
  static const Json none = Json::object();
  for (const Json& model : results.at("models")) {
    if (model.at("name") == name) return model;
  }
  return none;
}

std::string shown(const Json& value, bool all_digits) {
  if (value.is_null()) return "-";
  if (value.is_number_float() && !all_digits) return fmt::format("{:.7g}", value.get<double>());
  return cli::shortened(value.is_string() ? value.get<std::string>() : value.dump(), 24);
}

// The files may come from anywhere.
double number_at(const Json& object, const char* name, double unit) {
  const Json value = object.value(name, Json());
  return value.is_number() ? value.get<double>() / unit : std::nan("");
}

std::vector<std::string> cost_row(const std::string& name, const Json& recorded, const Json& now) {
  const auto ms = [](const Json& j) { return fmt::format("{:.1f}", number_at(j, "ms_per_image", 1)); };
  const auto mb = [](const Json& j) { return fmt::format("{:.0f}", number_at(j, "peak_memory_bytes", 1e6)); };
  return {name, ms(recorded), ms(now), mb(recorded), mb(now)};
}

}  // namespace

std::vector<CheckedFigure> check_results(const Json& recorded, const Json& now, double tolerance_db) {
  Check check(tolerance_db);
  check.scene(recorded.at("scene"), now.at("scene"));
  check.reference(recorded.at("reference"), now.at("reference"));
  for (const Json& model : recorded.at("models")) check.model(model, model_named(now, model.at("name")));
  return std::move(check.figures);
}

bool all_within(const std::vector<CheckedFigure>& figures) {
  return std::all_of(figures.begin(), figures.end(), [](const CheckedFigure& f) { return f.within; });
}

std::string check_text(const std::vector<CheckedFigure>& figures, const Json& recorded, const Json& now) {
  std::vector<std::vector<std::string>> rows = {{"model, output", "figure", "recorded", "now", "allowed"}};
  for (const CheckedFigure& f : figures) {
    if (f.within) continue;
    const bool all_digits = shown(f.recorded, false) == shown(f.now, false);
    rows.push_back({f.model + (f.subject.empty() ? "" : ", " + f.subject), f.name,
                    shown(f.recorded, all_digits), shown(f.now, all_digits),
                    f.allowed > 0 ? fmt::format("+-{:.3g}", f.allowed) : "equal"});
  }
  const size_t differing = rows.size() - 1;
  std::string text = differing > 0 ? cli::text_table(rows) + "\n" : "";
  rows = {{"for information", "ms/image recorded", "now", "peak MB recorded", "now"}};
  rows.push_back(cost_row("reference", recorded.at("reference"), now.at("reference")));
  for (const Json& model : recorded.at("models"))
    rows.push_back(cost_row(model.at("name"), model, model_named(now, model.at("name"))));
  text += cli::text_table(rows) + fmt::format("\ncheck: {} figures compared, ", figures.size());
  return text +
         (differing > 0 ? fmt::format("{} off by more than allowed\n", differing) : "all within tolerance\n");
}

}  // namespace vqt
