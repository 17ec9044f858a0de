#include "eval/report/headline.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "eval/compare/best_models.h"
#include "eval/compare/recommendation.h"
#include "eval/compare/truth_changes.h"
#include "eval/report/progressive_table.h"
#include "loader/cli/text_table.h"

namespace vqt {
namespace {

constexpr size_t kLongestName = 28;  // leaves most of the line for the reason

std::string words_of(const std::string& goal) {
  static const std::map<std::string, std::string> kWords = {
      {"accuracy", "closest to float"}, {"size", "smallest"}, {"speed", "fastest"},
      {"poses", "camera poses"},        {"depth", "depth"},   {"progressive", "within limits"}};
  return kWords.at(goal);
}

std::string padded(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, cli::text_length(text)), ' ');
}

std::string of_one(const EvalReport& r, const ModelResult& m) {
  const auto ratio = [](double of, double to, const char* more, const char* less) {
    return of >= to ? fmt::format("{:.2f}x {}", of / to, more) : fmt::format("{:.2f}x {}", to / of, less);
  };
  std::string text = fmt::format(
      "{} is {} and {} than the float model", m.name,
      ratio(static_cast<double>(r.reference.cost.size_bytes),
            static_cast<double>(std::max<int64_t>(1, m.cost.size_bytes)), "smaller", "larger"),
      ratio(r.reference.cost.ms_per_image, std::max(1e-6, m.cost.ms_per_image), "faster", "slower"));
  if (const auto* worst = worst_output(m))
    text += fmt::format("; lowest PSNR {:.1f} dB (output {})", *worst->second.psnr_db, worst->first);
  return cli::wrapped(text + "\n", 2);
}

// "take `production`: 2.41x smaller, ..."; of a single model that is not taken also what it gains.
std::string sentence(const EvalReport& r) {
  const auto taken = recommendation(r);
  if (!taken) return "";
  if (taken->model.empty())
    return (r.models.size() == 1 ? of_one(r, r.models[0]) : "") + cli::wrapped(taken->why + "\n", 2);
  return cli::wrapped(fmt::format("take `{}`: {}\n", taken->model, taken->why), 2);
}

}  // namespace

std::string headline(const EvalReport& r) {
  std::vector<BestModel> list = best_models(r);
  if (r.progressive) {
    const std::string& last = r.progressive->last.name;
    list.insert(list.begin(),
                {"progressive", last.empty() ? r.reference.name : last, progressive_outcome(r)});
  }
  const std::vector<TruthChange> changes = truth_changes(r);
  size_t goals = 0, names = 0;
  for (const BestModel& w : list) {
    goals = std::max(goals, cli::text_length(words_of(w.goal)));
    names = std::max(names, cli::text_length(w.model));
  }
  for (const TruthChange& c : changes) goals = std::max(goals, cli::text_length(words_of(c.goal)));
  const bool columns = names <= kLongestName;  // else names, which may differ in the middle, stay whole
  std::string text = sentence(r);
  for (const BestModel& w : list) {
    text += cli::wrapped(padded(words_of(w.goal), goals) + "  " +
                             (columns ? padded(w.model, names) + "  " : w.model + ": ") + w.why + "\n",
                         goals + (columns ? names + 4 : 2));
  }
  for (const TruthChange& c : changes)
    text += cli::wrapped(padded(words_of(c.goal), goals) + "  " + c.why + "\n", goals + 2);
  return text;
}

}  // namespace vqt
