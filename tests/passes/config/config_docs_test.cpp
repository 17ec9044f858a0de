// docs/config.md and examples/configs say what the code does.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "vqt/fields.h"

namespace vqt {
namespace {

const std::filesystem::path kRoot = std::filesystem::path(VQT_TEST_DATA).parent_path().parent_path();

std::string page() {
  std::ifstream file(kRoot / "docs" / "config.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

// JSON between ```json fences.
std::vector<std::string> json_blocks(const std::string& text) {
  std::vector<std::string> blocks;
  const std::string open = "```json\n";
  for (size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    at += open.size();
    blocks.push_back(text.substr(at, text.find("```", at) - at));
  }
  return blocks;
}

TEST(ConfigDocs, NameEveryFieldWithItsDefaultAndValues) {
  const std::string text = page();
  for (const FieldInfo& field : config_fields()) {
    const std::string row = "\n| `" + field.name + "` | " + field.initial + " | ";
    const size_t at = text.find(row);
    ASSERT_NE(at, std::string::npos) << "docs/config.md lacks the row" << row;
    const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
    if (!field.alias.empty()) {
      EXPECT_THAT(line, testing::HasSubstr("`" + field.alias + "`"));
    }
    for (const std::string& value : field.allowed) {
      EXPECT_THAT(field.name == "quant_type" ? text : line, testing::HasSubstr(value)) << field.name;
    }
  }
  for (const std::string& preset : preset_names())
    EXPECT_THAT(text, testing::HasSubstr("| `" + preset + "` | "));
  for (const char* alias : {"int4-g64", "int8-per-tensor", "max-accuracy"}) {
    EXPECT_THAT(text, testing::HasSubstr(std::string("`") + alias + "` is `" +
                                         QuantizationConfig::preset(alias).name + "`"));
  }
}

TEST(ConfigDocs, TheirExamplesAreConfigs) {
  const std::vector<std::string> blocks = json_blocks(page());
  ASSERT_FALSE(blocks.empty());
  for (const std::string& block : blocks) EXPECT_NO_THROW(QuantizationConfig::from_json(block)) << block;
}

TEST(ConfigDocs, EveryExampleFileLoadsAndIsListed) {
  const std::string text = page();
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "examples" / "configs")) {
    ++files;
    const QuantizationConfig config = QuantizationConfig::from_file(entry.path().string());
    EXPECT_FALSE(config.name.empty()) << entry.path();
    EXPECT_THAT(text, testing::HasSubstr("`" + entry.path().filename().string() + "`"));
  }
  EXPECT_GE(files, 6);
  const auto load = [](const char* name) {
    return QuantizationConfig::from_file((kRoot / "examples" / "configs" / name).string());
  };
  EXPECT_EQ(quant_type_of(resolve_scheme(load("production.json"))), "int8_per_channel_sym");
  EXPECT_EQ(load("static_int8.json").activation, ActivationMode::kStatic);
  EXPECT_EQ(resolve_scheme(load("int4_g64_fc2_int8.json")).group_size, 64);
  EXPECT_EQ(resolve_scheme(load("mixed_attention_int8.json"), true).bits, 8);
  EXPECT_FALSE(resolve_scheme(load("weight_only_int4.json")).symmetric);
  EXPECT_EQ(load("heads_float.json").ignore, std::vector<std::string>{"head"});
}

}  // namespace
}  // namespace vqt
