// Which groups a network has, and which patterns name them.
#include "eval/search/module_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vqt/plan.h"

namespace vqt {
namespace {
using testing::ElementsAre;
using testing::UnorderedElementsAreArray;
using Words = std::vector<std::string>;

void add_blocks(std::vector<LayerSize>& layers, const std::string& module, int count, int64_t bytes) {
  for (int i = 0; i < count; ++i) {
    const std::string block = module + "." + std::to_string(i);
    layers.push_back({block + ".attn.qkv", bytes * 3 / 12});
    layers.push_back({block + ".attn.proj", bytes * 1 / 12});
    layers.push_back({block + ".mlp.fc1", bytes * 4 / 12});
    layers.push_back({block + ".mlp.fc2", bytes * 4 / 12});
  }
}

// Blocks of frames and of all frames take turns, as the model runs.
std::vector<LayerSize> vggt(int blocks, int64_t bytes, int trunk, int64_t trunk_bytes, int64_t modulation) {
  std::vector<LayerSize> layers, frame, global;
  add_blocks(layers, "aggregator.patch_embed.blocks", blocks, bytes);
  add_blocks(frame, "aggregator.frame_blocks", blocks, bytes);
  add_blocks(global, "aggregator.global_blocks", blocks, bytes);
  for (size_t i = 0; i < frame.size(); i += 4) {
    layers.insert(layers.end(), frame.begin() + i, frame.begin() + i + 4);
    layers.insert(layers.end(), global.begin() + i, global.begin() + i + 4);
  }
  layers.push_back({"camera_head.embed_pose", 2304});
  layers.push_back({"camera_head.poseLN_modulation.1", modulation});
  add_blocks(layers, "camera_head.trunk", trunk, trunk_bytes);
  layers.push_back({"camera_head.pose_branch.fc1", 32768});
  return layers;
}

Words names(const std::vector<ModuleGroup>& groups) {
  Words list;
  for (const ModuleGroup& group : groups) list.push_back(group.name);
  return list;
}

Words names(const std::vector<LayerSize>& layers) {
  Words list;
  for (const LayerSize& layer : layers) list.push_back(layer.name);
  return list;
}

TEST(PartsOf, Vggt1b) {
  // Millions of weights: 3 * 24 * 12.6 = 907, camera head 4 * 50.4 + 12.6 = 214; a quarter is 280, so the
  // three lists of 302 are halved.
  const auto groups = module_groups(vggt(24, 12600000, 4, 50400000, 12600000));
  EXPECT_THAT(names(groups),
              ElementsAre("patch_embed.blocks.0-11", "patch_embed.blocks.12-23", "frame_blocks.0-11",
                          "frame_blocks.12-23", "global_blocks.0-11", "global_blocks.12-23", "camera_head"));
  EXPECT_EQ(groups[2].bytes, 12 * 12600000);
  EXPECT_EQ(groups[2].layers.size(), 48);
  EXPECT_EQ(groups[2].layers.front(), "aggregator.frame_blocks.0.attn.qkv");
  EXPECT_EQ(groups[3].layers.back(), "aggregator.frame_blocks.23.mlp.fc2");
}

TEST(PartsOf, SmallVggtWithAHeavyCameraHead) {
  // Aggregator 3 * 3 * 196608 = 1769472, camera head 1572864 + 196608 + 35072 = 1804544: a quarter is 893504.
  const auto groups = module_groups(vggt(3, 196608, 2, 786432, 196608));
  EXPECT_THAT(names(groups),
              ElementsAre("aggregator.patch_embed", "aggregator.frame_blocks", "aggregator.global_blocks",
                          "poseLN_modulation", "trunk.0", "trunk.1", "the rest"));
  EXPECT_THAT(groups.back().layers, ElementsAre("camera_head.embed_pose", "camera_head.pose_branch.fc1"));
  EXPECT_EQ(groups.back().bytes, 2304 + 32768);
}

TEST(PartsOf, PlainVit) {
  std::vector<LayerSize> layers;
  add_blocks(layers, "blocks", 12, 7077888);
  layers.push_back({"head", 768000});
  // 49.5 % each half, 24.8 % each quarter; of "blocks.0-2" nothing could go.
  EXPECT_THAT(names(module_groups(layers)),
              ElementsAre("blocks.0-2", "blocks.3-5", "blocks.6-8", "blocks.9-11", "head"));
}

TEST(PartsOf, BlocksGoByNumberAndHalvesByBytes) {
  std::vector<LayerSize> layers;
  for (const int i : {10, 9, 2, 1, 0})
    layers.push_back({"layer." + std::to_string(i) + ".w", i == 0 ? 300 : 60});
  // 300 against 240 is nearest to even; a quarter is 135, so the 240 are halved, while the 300 are one layer.
  EXPECT_THAT(names(module_groups(layers)), ElementsAre("layer.0", "layer.1-2", "layer.9-10"));
}

TEST(PartsOf, ManyModulesOfOneLevel) {
  std::vector<LayerSize> layers;
  for (int i = 1; i <= 30; ++i) layers.push_back({"fc" + std::to_string(i), 100});
  // Halves of 15, then 7 and 8; 8 of 30 are more than a quarter.
  EXPECT_THAT(names(module_groups(layers)),
              ElementsAre("fc1..fc7", "fc8..fc11", "fc12..fc15", "fc16..fc22", "fc23..fc26", "fc27..fc30"));
}

TEST(PartsOf, OneSite) {
  EXPECT_THAT(names(module_groups({{"layers.0", 5}})), ElementsAre("all layers"));
  // A weight of the module itself beside one below it.
  EXPECT_THAT(names(module_groups({{"a.b", 5}, {"a.b.c", 5}})), ElementsAre("b", "b.c"));
}

TEST(PiecesOf, OneSplitFurther) {
  std::vector<LayerSize> layers;
  add_blocks(layers, "blocks", 12, 7077888);
  layers.push_back({"head", 768000});
  const std::vector<ModuleGroup> groups = module_groups(layers);
  EXPECT_THAT(names(split_group(groups[1], layers)), ElementsAre("blocks.3", "blocks.4-5"));
  EXPECT_THAT(names(split_group(groups[4], layers)), ElementsAre());
  EXPECT_THAT(names(split_group({"block", {"blocks.3.attn.qkv", "blocks.3.attn.proj", "blocks.3.mlp.fc1"}, 0},
                                layers)),
              ElementsAre("blocks.3.attn", "blocks.3.mlp"));
}

TEST(PatternsOf, FewestModules) {
  const Words all = names(vggt(3, 12, 2, 12, 12));
  const auto patterns = [&](const Words& modules) {
    Words inside, outside;
    for (const std::string& name : all) {
      const bool wanted = std::any_of(modules.begin(), modules.end(), [&](const std::string& m) {
        return (name + ".").rfind(m + ".", 0) == 0;
      });
      (wanted ? inside : outside).push_back(name);
    }
    const Words found = patterns_of(inside, outside);
    Words matched;  // as the quantizer reads them
    for (const std::string& name : all) {
      if (std::any_of(found.begin(), found.end(), [&](const auto& p) { return matches(p, name); }))
        matched.push_back(name);
    }
    EXPECT_THAT(matched, UnorderedElementsAreArray(inside));
    return found;
  };
  EXPECT_THAT(patterns({"aggregator.frame_blocks"}), ElementsAre("aggregator.frame_blocks"));
  EXPECT_THAT(patterns({"aggregator.frame_blocks.1", "aggregator.frame_blocks.2"}),
              ElementsAre("aggregator.frame_blocks.1", "aggregator.frame_blocks.2"));
  EXPECT_THAT(patterns({"aggregator.patch_embed.blocks"}), ElementsAre("aggregator.patch_embed"));
  EXPECT_THAT(patterns({"camera_head"}), ElementsAre("re:camera_head(\\..*)?"));
  EXPECT_THAT(patterns({"camera_head.embed_pose", "camera_head.pose_branch.fc1"}),
              ElementsAre("camera_head.embed_pose", "camera_head.pose_branch"));
  EXPECT_THAT(patterns({}), ElementsAre());
}

TEST(PatternsOf, NamesThatAreWordsOfOthers) {
  EXPECT_THAT(patterns_of({"fc1", "fc10"}, {"fc11", "x.fc1"}),
              ElementsAre("re:fc1(\\..*)?", "re:fc10(\\..*)?"));
  EXPECT_TRUE(matches("re:fc1(\\..*)?", "fc1"));
  EXPECT_FALSE(matches("re:fc1(\\..*)?", "fc11"));
  EXPECT_FALSE(matches("re:fc1(\\..*)?", "x.fc1"));
  EXPECT_THAT(patterns_of({"a.b"}, {"a.b.c"}), ElementsAre("re:a\\.b"));
  EXPECT_THAT(patterns_of({"a.b.c"}, {"a.b"}), ElementsAre("a.b.c"));
}

}  // namespace
}  // namespace vqt
