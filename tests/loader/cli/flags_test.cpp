#include "loader/cli/flags.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vqt/error.h"

namespace vqt::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

enum class Fruit { kApple, kPear };
const ValueNames<Fruit> kFruits = {{"apple", Fruit::kApple}, {"pear", Fruit::kPear}};

// A program with a flag of each kind.
struct Sample {
  bool quiet = false;
  std::string in, out_dir = "results";
  int64_t max_images = -1;
  double share = 0.5;
  Fruit fruit = Fruit::kPear;
  std::vector<std::string> models;
  std::vector<std::string> patterns;
  Flags flags{{"sample", "1.2", "Shows flags.", "sample IN [flags]", "Exit codes: 0."}};

  Sample() {
    flags.positional(in, {"IN", "the path of a file"}, "file to read");
    flags.on("--quiet", quiet, "no progress");
    flags.text("-o,--out-dir", out_dir, kFolder, "folder of the results");
    flags.group("Numbers");
    flags.integer("--max-images", max_images, {1}, "N", "use the first N images", "all");
    flags.number("--share", share, {0, 1}, "X", "share of them");
    flags.choice("--fruit", fruit, kFruits, "what to eat");
    flags.texts("--model", models, kFile, "models");
    flags.add(
        {{"--pattern"}, Flag::Takes::kOneEachTime, "text", "text", "", "", [this](const std::string& value) {
           patterns.push_back(value);
         }});
  }

  Flags::Parsed parse(const std::vector<std::string>& words) const { return flags.parse(words); }
};

std::string refusal(const std::vector<std::string>& words) {
  try {
    Sample().parse(words);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Flags, BothSpellingsAndBothWaysToGiveAValue) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--out-dir", "a_b-c", "--max-images", "3"},
                                             {"--out_dir=a_b-c", "--max_images=3"},
                                             {"-o", "a_b-c", "--max-images=3"}}) {
    Sample s;
    s.parse(words);
    EXPECT_EQ(s.out_dir, "a_b-c");  // values keep their spelling
    EXPECT_EQ(s.max_images, 3);
  }
}

TEST(Flags, ListsTakeAllValuesUpToTheNextFlag) {
  Sample s;
  const Flags::Parsed parsed =
      s.parse({"--model", "a", "b", "--quiet", "--model=c", "-1", "-o", "d", "in.pt"});
  EXPECT_THAT(s.models, ElementsAre("a", "b", "c", "-1"));
  EXPECT_EQ(s.out_dir, "d");
  EXPECT_EQ(s.in, "in.pt");
  EXPECT_TRUE(s.quiet);
  std::vector<std::string> order;
  for (const auto& [name, value] : parsed.given) order.push_back(name + "=" + value);
  EXPECT_THAT(order, ElementsAre("--model=a", "--model=b", "--quiet=", "--model=c", "--model=-1", "-o=d",
                                 "IN=in.pt"));
}

TEST(Flags, AfterTwoHyphensNothingIsAFlag) {
  Sample s;
  s.parse({"--model", "a", "--", "--quiet"});
  EXPECT_EQ(s.in, "--quiet");
  EXPECT_FALSE(s.quiet);
}

TEST(Flags, OneValueEachTimeMayBeEmptyAndRepeated) {
  Sample s;
  s.parse({"--pattern", "a", "in.pt", "--pattern="});
  EXPECT_THAT(s.patterns, ElementsAre("a", ""));
  EXPECT_EQ(s.in, "in.pt");
}

TEST(Flags, NamesOfValuesAreFoundWhateverTheirCase) {
  Sample s;
  s.parse({"--fruit", "Apple"});
  EXPECT_EQ(s.fruit, Fruit::kApple);
}

TEST(Flags, RefusalsSayFlagExpectedAndGot) {
  EXPECT_EQ(refusal({"--fruit", "aple"}),
            "--fruit: expected one of apple, pear, got \"aple\"; nearest: apple");
  EXPECT_EQ(refusal({"--fruit"}), "--fruit: expected one of apple, pear, got no value");
  EXPECT_EQ(refusal({"--max_images", "0"}), "--max-images: expected an integer of at least 1, got 0");
  EXPECT_EQ(refusal({"--max-images", "1e3"}), "--max-images: expected an integer of at least 1, got 1e3");
  EXPECT_EQ(refusal({"--max-images", "3 "}), "--max-images: expected an integer of at least 1, got \"3 \"");
  EXPECT_EQ(refusal({"--share", "nan"}), "--share: expected a number from 0 to 1, got \"nan\"");
  EXPECT_EQ(refusal({"--share", "-0.1"}), "--share: expected a number from 0 to 1, got -0.1");
  EXPECT_EQ(refusal({"--share=0.1", "--share=0.1"}), "--share: given twice; expected it once");
  EXPECT_EQ(refusal({"-o", ""}), "-o: expected the path of a folder, got \"\"");
  EXPECT_EQ(refusal({"--out-dir", "--quiet"}), "-o: expected the path of a folder, got no value");
  EXPECT_EQ(refusal({"--quiet=no"}), "--quiet: expected no value, got \"no\"");
  EXPECT_EQ(refusal({"--max_image", "3"}), "--max-image: no such flag; nearest: --max-images (see --help)");
  EXPECT_EQ(refusal({"--vesion"}), "--vesion: no such flag; nearest: --version (see --help)");
  EXPECT_EQ(refusal({"a", "b"}), "\"b\": expected one IN, this is one more argument (see --help)");
  EXPECT_EQ(refusal({"--quiet", "--quiet"}), "accepted");
}

TEST(Flags, AMultipleIsAskedForByName) {
  EXPECT_EQ(expected_text(IntegerRange{14, kMany, 14}), "a multiple of 14");
  EXPECT_EQ(expected_text(IntegerRange{0, 1000}), "an integer from 0 to 1000");
  EXPECT_EQ(integer_value("--x", "28", {14, kMany, 14}), 28);
  EXPECT_THROW(integer_value("--x", "0", {14, kMany, 14}), UsageError);
}

TEST(Flags, HelpIsATableInTheOrderAdded) {
  EXPECT_EQ(Sample().flags.help(), R"(Shows flags.
Usage: sample IN [flags]

  IN                        file to read

  --quiet                   no progress
  -o, --out-dir DIR         folder of the results [results]

Numbers:
  --max-images N            use the first N images [all]
  --share X                 share of them [0.5]
  --fruit apple|pear        what to eat [pear]
  --model FILE              models

  -h, --help                print this help
  --version                 print the version
  --completion bash|zsh     print a script by which the shell completes flags
                            and values: source <(... --completion bash)

Exit codes: 0.
)");
  EXPECT_EQ(Sample().parse({"--version"}).print, "sample 1.2\n");
}

TEST(Flags, HelpFitsTheWidth) {
  bool on = false;
  std::string choice;
  std::string words, choices;
  for (int i = 0; i < 40; ++i) {
    words += "word ";
    choices += fmt::format("{}choice_{}", i > 0 ? "|" : "", i);
  }
  Flags flags({"p", "1", words + "end.", "p " + words, words + "end."});
  flags.on("--a-flag-of-more-than-thirty-two-characters", on, words + "end");
  flags.text("--choice", choice, {choices.c_str(), "one of them"}, "a long list of values");
  for (const size_t width : {50, 80, 100}) {
    const std::string help = flags.help(width);
    size_t longest = 0, begin = 0;
    for (size_t end; (end = help.find('\n', begin)) != std::string::npos; begin = end + 1) {
      longest = std::max(longest, end - begin);
    }
    EXPECT_LE(longest, width);
    EXPECT_GT(longest, width - 10);
  }
  EXPECT_THAT(flags.help(),
              HasSubstr("\n  --a-flag-of-more-than-thirty-two-characters\n" + std::string(28, ' ') + "word"));
  EXPECT_THAT(flags.help(), HasSubstr("\n  --choice choice_0|choice_1|"));
  EXPECT_THAT(flags.help(), HasSubstr("|choice_6|\n      choice_7|"));
}

}  // namespace
}  // namespace vqt::cli
