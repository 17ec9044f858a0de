#include "vqt/error_text.h"

#include <ATen/ops/ones.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

namespace vqt {
namespace {

std::string failure(const std::string& body) {
  torch::jit::Module module("M");
  module.define("def inner(self, x):\n" + body + "\ndef forward(self, x):\n    return self.inner(x)\n");
  try {
    module.forward({at::ones({2, 3})});
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find("Traceback of TorchScript"), std::string::npos) << e.what();
    return error_text(e);
  }
  return "no error";
}

TEST(ErrorText, IsTheCauseWithoutTorchScriptsTraceback) {
  EXPECT_EQ(failure("    return x.view(7)"), "shape '[7]' is invalid for input of size 6");
  EXPECT_EQ(failure("    assert x.dim() == 5, 'two: lines\\nError: here'\n    return x"),
            "AssertionError: two: lines\nError: here");
}

TEST(ErrorText, NamesTheExceptionWhereItSaysNothing) {
  EXPECT_EQ(failure("    assert x.dim() == 5\n    return x"), "AssertionError");
}

TEST(ErrorText, LeavesTheBacktraceOfTorchOut) {
  try {
    TORCH_CHECK(false, "vqt::quantize: x: expected float32, got int8");
  } catch (const std::exception& e) {
    EXPECT_EQ(error_text(e), "vqt::quantize: x: expected float32, got int8");
  }
}

TEST(ErrorText, LeavesOtherTextsAlone) {
  EXPECT_EQ(error_text(std::runtime_error("q.pt: RuntimeError: x\n  second line\n")),
            "q.pt: RuntimeError: x\n  second line");
  EXPECT_EQ(
      error_text(std::runtime_error("The following operation failed in the TorchScript interpreter.\nodd")),
      "The following operation failed in the TorchScript interpreter.\nodd");
}

}  // namespace
}  // namespace vqt
