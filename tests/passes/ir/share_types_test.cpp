// Equal instances get one type, others keep theirs.
#include "passes/ir/share_types.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "passes/ir/clone_module.h"

namespace vqt {
namespace {

using namespace torch::jit;

Module child(double value,
             const std::string& source = "def forward(self, x):\n    return x * self.weight + 0.1\n") {
  Module module("Child");
  module.register_parameter("weight", at::full({2}, value), false);
  module.define(source);
  return module;
}

Module parent(const Module& a, const Module& b) {
  Module model("Model");
  model.register_module("a", a);
  model.register_module("b", b);
  model.define("def forward(self, x):\n    return self.b.forward(self.a.forward(x))\n");
  return model;
}

// The children's types, after the model has been through both steps.
bool children_share(const Module& model) {
  const Module copy = clone_with_own_types(model);
  EXPECT_NE(copy.attr("a").toModule().type(), copy.attr("b").toModule().type());
  const at::Tensor x = at::ones({2}), expected = Module(model.copy()).forward({x}).toTensor();
  share_types(copy);
  EXPECT_TRUE(at::equal(Module(copy).forward({x}).toTensor(), expected));
  return copy.attr("a").toModule().type() == copy.attr("b").toModule().type();
}

TEST(ShareTypes, EqualInstancesWithTheirOwnData) {
  EXPECT_TRUE(children_share(parent(child(2.0), child(3.0))));
}

TEST(ShareTypes, ConstantsThatPrintAlikeDiffer) {
  EXPECT_FALSE(children_share(
      parent(child(2.0), child(3.0, "def forward(self, x):\n    return x * self.weight + 0.1000000001\n"))));
}

TEST(ShareTypes, OtherCodeOrAttributes) {
  EXPECT_FALSE(
      children_share(parent(child(2.0), child(3.0, "def forward(self, x):\n    return x - self.weight\n"))));
  Module more = child(3.0);
  more.register_buffer("extra", at::ones({1}));
  EXPECT_FALSE(children_share(parent(child(2.0), more)));
}

TEST(ShareTypes, ParentsOfEqualChildren) {
  const Module inner = parent(child(2.0), child(3.0)), other = parent(child(4.0), child(5.0));
  EXPECT_TRUE(children_share(parent(inner, other)));
}

TEST(ShareTypes, AnInstanceWithTwoNamesStaysOne) {
  const Module shared = child(2.0);
  const Module copy = clone_with_own_types(parent(shared, shared));
  share_types(copy);
  EXPECT_EQ(copy.attr("a").toObject(), copy.attr("b").toObject());
}

}  // namespace
}  // namespace vqt
