#include "eval/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "eval/compare/accuracy_limit.h"
#include "eval/compare/recorded_run.h"
#include "eval/option_flags.h"
#include "eval/search/progressive_config.h"
#include "eval/search/search.h"
#include "loader/cli/preset_flag.h"
#include "vqt/preset_note.h"

namespace vqt {
namespace {

std::string quoted(const std::string& argument) {
  const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](unsigned char c) {
    return std::isalnum(c) || std::strchr("_-./=,:+@%", c) || c >= 0x80;
  });
  if (plain) return argument;
  std::string result = "'";
  for (const char c : argument) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string command_line(const std::vector<std::string>& arguments) {
  std::string line = "vqt-eval";
  for (const std::string& argument : arguments) line += " " + quoted(argument);
  return line;
}

Candidate open_candidate(const std::string& source, const std::string& value) {
  Candidate c{"", source, value, {}};
  if (source == "model") {
    c.name = std::filesystem::path(value).stem().string();
  } else if (source == "config") {
    c.config = QuantizationConfig::from_file(value);
    c.name = c.config.display_name();
  } else {
    c.config = cli::preset_of_flag(value);
    c.name = c.config.name;
  }
  return c;
}

std::vector<Candidate> typed_candidates(const cli::Flags::Parsed& parsed, bool models_only) {
  std::vector<Candidate> candidates;
  for (const auto& [flag, value] : parsed.given) {
    if (flag == "--model" || (!models_only && (flag == "--config" || flag == "--preset")))
      candidates.push_back(open_candidate(flag.substr(2), value));
  }
  return candidates;
}

Limit limit_of_flag(const std::string& text) {
  try {
    return parse_limit(text);
  } catch (const UsageError& e) {
    throw UsageError(fmt::format("--limit: {}", e.what()));
  }
}

void check_images(const RunSettings& s) {
  if (s.image_folder.empty() && s.ground_truth.empty()) {
    throw UsageError(
        "--image-folder: expected a folder of images, got none; give it, or --ground-truth with a scene (see "
        "--help)");
  }
}

void check_models(const RunSettings& s) {
  if (s.reference.empty())
    throw UsageError("--reference: expected the TorchScript file of the float model, got none (see --help)");
  if (!s.save_reference.empty() && !s.load_reference.empty())
    throw UsageError("--save-reference: of no use with --load-reference, whose file is already there");
  if (s.device == "cuda") throw UsageError("--device: this build has no CUDA; expected cpu, got \"cuda\"");
}

void add_defaults(RunSettings& s, bool searches) {
  if (!s.candidates.empty() || searches) return;
  if (s.progressive) {
    s.candidates.push_back(open_candidate("preset", "production"));
  } else {
    for (const std::string& name : preset_names()) s.candidates.push_back(open_candidate("preset", name));
  }
}

// Names without hyphens, as results.json has them.
std::set<std::string> given_fields(const cli::Flags::Parsed& parsed) {
  std::set<std::string> names;
  for (const auto& [flag, unused] : parsed.given) {
    std::string name = flag.substr(2);
    std::replace(name.begin(), name.end(), '-', '_');
    names.insert(name);
  }
  return names;
}

}  // namespace

RunSettings parse_options(const std::vector<std::string>& arguments) {
  RunSettings s;
  TypedValues typed;
  const cli::Flags::Parsed parsed = option_flags(s, typed).parse(arguments);
  s.help = parsed.print;
  if (!s.help.empty()) return s;
  s.command_line = command_line(arguments);
  s.candidates = typed_candidates(parsed, !s.check.empty());
  for (const Candidate& c : s.candidates) {
    if (const std::string note = c.source == "preset" ? preset_note(c.path) : ""; !note.empty())
      s.notes.push_back(note);
  }
  const std::set<std::string> given = given_fields(parsed);
  if (!s.check.empty()) return repeated_run(read_results(s.check), s, given);
  if (s.max_memory && !s.plan) throw UsageError("--max-memory: goes with --plan");
  if (s.plan && s.progressive) throw UsageError("--plan: does not go with --progressive");
  if (given.count("tolerance") > 0) throw UsageError("--tolerance: of use with --check only");
  cli::read_channels(typed.channels, s.images);
  check_models(s);
  check_images(s);
  if (s.progressive && !typed.searches.empty()) throw UsageError("--progressive: does not go with --search");
  add_defaults(s, !typed.searches.empty());
  if (!typed.searches.empty()) add_combinations(s.candidates, parse_search(typed.searches), s.notes);
  make_names_distinct(s.candidates);
  for (const std::string& text : typed.limits) s.limits.push_back(limit_of_flag(text));
  check_progressive(s);
  return s;
}

}  // namespace vqt
