// Configs that have sites in common: what is quantized once, and that nothing in the archives shows it.
#include "eval/runs/packed_folder.h"

#include <ATen/Context.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "tests/temporary_folder.h"
#include "vqt/archive.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;
using torch::jit::Module;

// Five linears, of which the first and the last stay float.
Module five_linears() {
  Module model("Five");
  std::string forward = "def forward(self, x):\n";
  at::manual_seed(7);
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    Module linear(std::string("Linear_") + name);
    linear.register_parameter("weight", at::randn({64, 64}), false);
    linear.define("def forward(self, x):\n  return torch.linear(x, self.weight, None)\n");
    model.register_module(name, linear);
    forward += std::string("  x = self.") + name + ".forward(x)\n";
  }
  model.define(forward + "  return x\n");
  model.eval();
  return model;
}

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class PackedFolder : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* text : {R"({"quant_type": "int4_group", "group_size": 32})",
                             R"({"quant_type": "int4_group", "group_size": 32, "ignore": ["c"]})",
                             R"({"quant_type": "int4_group", "group_size": 32,
                                 "overrides": [{"targets": ["c"], "bits": 8}]})",
                             R"({"quant_type": "int8_per_channel_sym"})"})
      configs_.push_back(QuantizationConfig::from_json(text));
  }

  struct Run {
    int64_t quantized = 0, reused = 0;
    size_t files = 0;  // left in the folder
    bool same_archive = false;
  };

  // The config at i, with those after it still to come; compared with what it gives by itself.
  Run run(size_t i) {
    const PackedCache packed = packed_folder(
        folder_ / "packed", {configs_.begin() + static_cast<std::ptrdiff_t>(i) + 1, configs_.end()});
    QuantizeOptions options;
    options.packed = &packed;
    Report report, alone;
    save_archive(quantize(five_linears(), configs_[i], report, options), {}, report, folder_ / "shared.pt");
    save_archive(quantize(five_linears(), configs_[i], alone), {}, alone, folder_ / "alone.pt");
    Run result;
    for (const SiteReport& site : report.sites) result.quantized += site.action == "quantized";
    result.reused = report.sites_reused;
    result.quantized -= result.reused;
    result.files = files().size();
    result.same_archive = content(folder_ / "shared.pt") == content(folder_ / "alone.pt");
    return result;
  }

  std::vector<fs::path> files() const {
    return {fs::directory_iterator(folder_ / "packed"), fs::directory_iterator()};
  }

  TemporaryFolder folder_;
  std::vector<QuantizationConfig> configs_;
};

TEST_F(PackedFolder, AWeightOfOneSchemeIsQuantizedOnce) {
  const std::vector<Run> expected = {
      {3, 0, 2},  // b, c, d; nobody wants c in groups any more
      {0, 2, 2},  // b and d
      {1, 2, 1},  // c anew, in 8 bits, which the last wants; b and d are of no more use
      {2, 1, 0},  // b and d anew
  };
  for (size_t i = 0; i < expected.size(); ++i) {
    const Run got = run(i);
    EXPECT_EQ(got.quantized, expected[i].quantized) << i;
    EXPECT_EQ(got.reused, expected[i].reused) << i;
    EXPECT_EQ(got.files, expected[i].files) << i;
    EXPECT_TRUE(got.same_archive) << i;
  }
}

TEST_F(PackedFolder, WhatIsDamagedIsMadeAnew) {
  run(0);
  const fs::path file = files()[0];
  std::string bytes = content(file);
  bytes[bytes.size() / 3] ^= 1;
  std::ofstream(file, std::ios::binary) << bytes;
  Run got = run(1);
  EXPECT_EQ(got.reused, 1);
  EXPECT_EQ(got.quantized, 1);
  EXPECT_TRUE(got.same_archive);
  fs::resize_file(files()[0], 100);
  got = run(2);
  EXPECT_EQ(got.reused, 1);
  EXPECT_TRUE(got.same_archive);
}

TEST_F(PackedFolder, AFolderThatCannotBeWrittenCostsNoResult) {
  const PackedCache packed = packed_folder(folder_ / "packed", {});
  fs::remove_all(folder_ / "packed");
  packed.save("key", {at::randn({4}), 30.0});
  EXPECT_FALSE(packed.load("key", true));
}

TEST_F(PackedFolder, KeepsWhatItGot) {
  const PackedCache packed = packed_folder(folder_ / "packed", {});
  const at::Tensor weight = at::randn({5}).view(at::kByte);
  packed.save("a site, 8 bits", {weight, std::numeric_limits<double>::infinity()});
  EXPECT_FALSE(packed.load("another site", true));
  const auto got = packed.load("a site, 8 bits", true);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->packed.equal(weight));
  EXPECT_EQ(got->sqnr_db, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(packed.load("a site, 8 bits", false));  // for the last time
  EXPECT_FALSE(packed.load("a site, 8 bits", true));
}

}  // namespace
}  // namespace vqt
