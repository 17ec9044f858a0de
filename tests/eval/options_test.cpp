// The command line: what is accepted, what it means, what the errors say.
#include "eval/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "eval/search/search.h"

namespace vqt {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

RunSettings parse(Words extra) {
  Words all = {"--reference", "m.pt", "--image_folder", "photos"};
  all.insert(all.end(), extra.begin(), extra.end());
  return parse_options(all);
}

Words names(const RunSettings& o) {
  Words result;
  for (const Candidate& c : o.candidates) result.push_back(c.name);
  return result;
}

std::string usage_error(const Words& words) {
  try {
    parse_options(words);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "no error";
}

std::string usage_error_with(Words extra) {
  Words all = {"--reference", "m.pt", "--image_folder", "photos"};
  all.insert(all.end(), extra.begin(), extra.end());
  return usage_error(all);
}

TEST(ParseOptions, Defaults) {
  const RunSettings o = parse({});
  EXPECT_EQ(o.reference, "m.pt");
  EXPECT_EQ(o.image_folder, "photos");
  EXPECT_EQ(o.max_images, -1);
  EXPECT_EQ(o.frames, 0);
  EXPECT_EQ(o.output_dir, "results");
  EXPECT_EQ(o.device, "cpu");
  EXPECT_EQ(o.images.preprocess, Preprocess::kCrop);
  EXPECT_EQ(o.images.image_size, 518);
  EXPECT_EQ(o.images.layout, InputLayout::kBshw);
  EXPECT_THAT(o.images.mean, ElementsAre(0, 0, 0));
  EXPECT_THAT(o.images.std, ElementsAre(1, 1, 1));
  EXPECT_EQ(o.warmup, 2);
  EXPECT_EQ(o.runs, 3);
  EXPECT_EQ(o.cloud_points, 500000);
  EXPECT_EQ(o.cloud_confidence, 50);
  EXPECT_FALSE(o.quiet);
  EXPECT_THAT(names(o), ElementsAre("production", "mobile", "prototype", "int16", "int8-asym", "smallest"));
  EXPECT_EQ(o.candidates[1].config.group_size, 64);
}

TEST(ParseOptions, HyphensAndUnderscoresAreTheSame) {
  const RunSettings o =
      parse_options({"--reference=a-b.pt", "--image-folder", "my-photos", "--max-images=3", "--output_dir",
                     "x-y", "--input-layout", "bchw", "--image-size", "224", "--preset", "int8-asym"});
  EXPECT_EQ(o.reference, "a-b.pt");  // values keep their hyphens
  EXPECT_EQ(o.image_folder, "my-photos");
  EXPECT_EQ(o.max_images, 3);
  EXPECT_EQ(o.output_dir, "x-y");
  EXPECT_EQ(o.images.layout, InputLayout::kBchw);
  EXPECT_EQ(o.images.image_size, 224);
  EXPECT_THAT(names(o), ElementsAre("int8-asym"));
  EXPECT_THAT(o.notes, IsEmpty());
  const RunSettings older = parse({"--preset", "max_accuracy", "int4-g64"});
  EXPECT_THAT(names(older), ElementsAre("int16", "mobile"));
  EXPECT_THAT(older.notes, ElementsAre(HasSubstr("max-accuracy: is int16")));
}

TEST(ParseOptions, CandidatesKeepTheOrderTypedAndGetDistinctNames) {
  const std::string config = testing::TempDir() + "vqt_options_test.json";
  std::ofstream(config) << R"({"name": "production", "quant_type": "int8_per_channel_asym"})";
  const RunSettings o = parse({"--preset", "smallest", "production", "--model", "dir/production.pt", "b.pt",
                               "--config", config, "--preset", "mobile", "--model", "c/b.pt"});
  EXPECT_THAT(names(o),
              ElementsAre("smallest", "production", "production-2", "b", "production-3", "mobile", "b-2"));
  Words sources;
  for (const Candidate& c : o.candidates) sources.push_back(c.source);
  EXPECT_THAT(sources, ElementsAre("preset", "preset", "model", "model", "config", "preset", "model"));
  EXPECT_EQ(o.candidates[2].path, "dir/production.pt");
  EXPECT_EQ(o.candidates[4].config.quant_type, "int8_per_channel_asym");
  std::filesystem::remove(config);
}

TEST(MakeNamesDistinct, NeverProducesANameThatIsTaken) {
  std::vector<Candidate> candidates(4);
  candidates[0].name = "a";
  candidates[1].name = "a";
  candidates[2].name = "a-2";
  candidates[3].name = "a";
  make_names_distinct(candidates);
  Words result;
  for (const Candidate& c : candidates) result.push_back(c.name);
  EXPECT_THAT(result, ElementsAre("a", "a-2", "a-2-2", "a-3"));
}

TEST(ParseOptions, ListsOfNumbersTakeCommasAndSeveralValues) {
  EXPECT_THAT(parse({"--mean", "0.485,0.456,0.406"}).images.mean, ElementsAre(0.485, 0.456, 0.406));
  EXPECT_THAT(parse({"--mean", "0.5", "0.25", "-1"}).images.mean, ElementsAre(0.5, 0.25, -1));
  EXPECT_THAT(parse({"--std", "2,3,4"}).images.std, ElementsAre(2, 3, 4));
}

TEST(ParseOptions, TheCommandLineIsQuotedForAShell) {
  EXPECT_EQ(parse_options({"--reference", "my model.pt", "--image-folder", "it's"}).command_line,
            "vqt-eval --reference 'my model.pt' --image-folder 'it'\\''s'");
}

struct Bad {
  Words words;
  const char* says;
};

// tests/loader/cli/command_lines_test.py has the whole list.
TEST(ParseOptions, BadUsageNamesTheFlag) {
  const Bad cases[] = {
      {{"--max_images", "0"}, "--max-images: expected an integer of at least 1, got 0"},
      {{"--max-images", "many"}, "--max-images: expected an integer of at least 1, got \"many\""},
      {{"--image_size", "-14"}, "--image-size: expected a multiple of 14, got -14"},
      {{"--preprocess", "stretch"},
       "--preprocess: expected one of crop, pad, got \"stretch\"; nearest: crop"},
      {{"--device", "cuda"}, "--device: this build has no CUDA; expected cpu, got \"cuda\""},
      {{"--ground_truth"}, "--ground-truth: expected the path of a folder, got no value"},
      {{"--save_reference", "a", "--load-reference", "b"},
       "--save-reference: of no use with --load-reference, whose file is already there"},
      {{"--mean", "1,2"}, "--mean: expected three finite numbers R,G,B, got \"1,2\""},
      {{"--mean", "nan,0,0"}, "--mean: expected three finite numbers R,G,B, got \"nan,0,0\""},
      {{"--std", "1,0,1"}, "--std: expected numbers other than 0, got 1,0,1"},
      {{"--cloud_confidence", "100"}, "--cloud-confidence: expected a number from 0 to 99.9, got 100"},
      {{"--modle", "a.pt"}, "--modle: no such flag; nearest: --model (see --help)"},
      {{"stray"}, "\"stray\": expected a flag; vqt-eval takes no other arguments (see --help)"},
  };
  for (const Bad& bad : cases)
    EXPECT_EQ(usage_error_with(bad.words), bad.says) << testing::PrintToString(bad.words);
  EXPECT_THAT(usage_error({"--image_folder", "photos"}), HasSubstr("reference"));
  EXPECT_THAT(usage_error({"--reference", "m.pt"}),
              testing::AllOf(HasSubstr("image-folder"), HasSubstr("ground-truth")));
}

TEST(ParseOptions, AnUnknownPresetListsThePresets) {
  try {
    parse({"--preset", "produktion"});
    FAIL() << "accepted";
  } catch (const UsageError& e) {
    EXPECT_THAT(e.what(),
                testing::AllOf(HasSubstr("produktion"), HasSubstr("production"), HasSubstr("smallest")));
  }
}

TEST(ParseOptions, GroundTruthBringsItsOwnPictures) {
  const RunSettings o = parse_options({"--reference", "m.pt", "--ground-truth", "courtyard"});
  EXPECT_EQ(o.ground_truth, "courtyard");
  EXPECT_EQ(o.image_folder, "");
  EXPECT_EQ(parse({"--ground_truth", "courtyard"}).image_folder, "photos");
  EXPECT_EQ(parse({"--save-reference", "a-b"}).save_reference, "a-b");
  EXPECT_EQ(parse({"--load_reference", "f"}).load_reference, "f");
}

TEST(ParseOptions, HelpShowsUnitsAndDefaults) {
  const std::string help = parse_options({"--help"}).help;
  for (const char* part :
       {"--reference", "--model", "--config", "--preset", "--image-folder", "--max-images", "--frames",
        "--output-dir", "[results]", "518", "multiple of 14", "crop", "bshw", "Exit codes"}) {
    EXPECT_THAT(help, HasSubstr(part));
  }
}

TEST(ParseOptions, Progressive) {
  const RunSettings o = parse({"--progressive", "--limit", "psnr=35", "--limit", "auc_30=-2",
                               "--ground_truth", "g", "--int4-group-size", "64"});
  EXPECT_TRUE(o.progressive);
  EXPECT_EQ(o.int4_group_size, 64);
  ASSERT_EQ(o.limits.size(), 2);
  EXPECT_EQ(o.limits[0].metric, "psnr");
  EXPECT_EQ(o.limits[1].value, -2);
  EXPECT_THAT(names(o), ElementsAre("production"));
  EXPECT_THAT(names(parse({"--progressive", "--limit", "psnr=35", "--preset", "int8-asym"})),
              ElementsAre("int8-asym"));
  EXPECT_FALSE(parse({}).progressive);
}

TEST(ParseOptions, ProgressiveErrors) {
  const auto error = [](Words extra) { return usage_error_with(extra); };
  const Words limit = {"--progressive", "--limit", "psnr=35"};
  const auto with = [&](Words more) {
    more.insert(more.begin(), limit.begin(), limit.end());
    return usage_error_with(more);
  };
  EXPECT_THAT(error({"--progressive"}),
              HasSubstr("--progressive: requires --limit, the accuracy to keep: --limit psnr=35"));
  EXPECT_THAT(error({"--limit", "psnr=35"}), HasSubstr("--limit: only with --progressive"));
  EXPECT_THAT(with({"--limit", "auc_30=-2"}), HasSubstr("--limit: auc_30=-2: needs --ground-truth"));
  EXPECT_THAT(with({"--limit", "ssim=1"}),
              HasSubstr("--limit: unknown metric ssim; expected one of psnr, auc_3"));
  EXPECT_THAT(with({"--preset", "production", "int8-asym"}), HasSubstr("expected one --config or --preset"));
  EXPECT_THAT(with({"--model", "q.pt"}), HasSubstr("no --model"));
  EXPECT_THAT(with({"--preset", "mobile"}),
              HasSubstr("expected a config of 8 bits to start from, got int4_group"));
  EXPECT_THAT(with({"--search", "group_size=32"}), HasSubstr("--progressive: does not go with --search"));
  EXPECT_THAT(with({"--int4_group_size", "0"}),
              HasSubstr("--int4-group-size: expected an integer of at least 1, got 0"));
}

}  // namespace
}  // namespace vqt
