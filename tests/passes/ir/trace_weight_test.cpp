// Which rows of a weight a linear reads: tables of graphs.
#include "passes/ir/trace_weight.h"

#include <gtest/gtest.h>

#include <ostream>
#include <regex>

#include "tests/passes/graph_text.h"

namespace vqt {
namespace {

using namespace torch::jit;

constexpr int64_t kRows = 48;

struct Case {
  const char* name;
  const char* body;  // from %w to %r; %e is an unknown int
  int64_t begin, end;
  const char* problem;  // where the rows are not known
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.body; }

class RowsOf : public testing::TestWithParam<Case> {};

TEST_P(RowsOf, AreThoseOfTheSlice) {
  const Case& c = GetParam();
  const auto graph = parse(R"(graph(%w : Tensor, %e : int, %t : Tensor):
    %none : NoneType = prim::Constant()
    %m2 : int = prim::Constant[value=-2]()
    %m16 : int = prim::Constant[value=-16]()
    %0 : int = prim::Constant[value=0]()
    %1 : int = prim::Constant[value=1]()
    %2 : int = prim::Constant[value=2]()
    %3 : int = prim::Constant[value=3]()
    %5 : int = prim::Constant[value=5]()
    %16 : int = prim::Constant[value=16]()
    %20 : int = prim::Constant[value=20]()
    %32 : int = prim::Constant[value=32]()
    %huge : int = prim::Constant[value=9223372036854775807]()
)" + std::regex_replace(std::string("    ") + c.body, std::regex("\n +"), "\n    ") +
                           "\n    return (%r)");
  std::string problem;
  const auto rows = rows_of(
      graph->outputs()[0], graph->inputs()[0], kRows, [](const Value*) { return std::nullopt; }, problem);
  EXPECT_EQ(weight_root(graph->outputs()[0]), graph->inputs()[0]);
  if (*c.problem != '\0') {
    EXPECT_FALSE(rows);
    EXPECT_NE(problem.find(c.problem), std::string::npos) << problem;
    return;
  }
  ASSERT_TRUE(rows) << problem;
  EXPECT_EQ(rows->begin, c.begin);
  EXPECT_EQ(rows->end, c.end);
}

const Case kCases[] = {
    {"Whole", "%r : Tensor = aten::detach(%w)", 0, 48, ""},
    {"Unwrapped", "%o : Tensor = aten::_unwrap_optional(%w)\n %r : Tensor = aten::contiguous(%o, %0)", 0, 48,
     ""},
    {"Slice", "%r : Tensor = aten::slice(%w, %0, %5, %20, %1)", 5, 20, ""},
    {"SliceOpenAtBothEnds", "%r : Tensor = aten::slice(%w, %0, %none, %none, %1)", 0, 48, ""},
    {"SliceToMaximum", "%r : Tensor = aten::slice(%w, %0, %5, %huge, %1)", 5, 48, ""},
    {"SliceFromTheEnd", "%r : Tensor = aten::slice(%w, %0, %m16, %none, %1)", 32, 48, ""},
    {"SliceAlongMinusTwo", "%r : Tensor = aten::slice(%w, %m2, %5, %20, %1)", 5, 20, ""},
    {"SliceOfSlice",
     "%a : Tensor = aten::slice(%w, %0, %5, %32, %1)\n %r : Tensor = aten::slice(%a, %0, %3, %m2, %1)", 8, 30,
     ""},
    {"SliceOfColumns", "%r : Tensor = aten::slice(%w, %1, %5, %20, %1)", 0, 0, "columns"},
    {"SliceWithStep", "%r : Tensor = aten::slice(%w, %0, %5, %20, %2)", 0, 0, "step"},
    {"SliceAtUnknown", "%r : Tensor = aten::slice(%w, %0, %e, %20, %1)", 0, 0, "not constant"},
    {"SliceOfNothing", "%r : Tensor = aten::slice(%w, %0, %20, %5, %1)", 0, 0, "does not have"},
    {"Narrow", "%r : Tensor = aten::narrow(%w, %0, %5, %20)", 5, 25, ""},
    {"NarrowTooFar", "%r : Tensor = aten::narrow(%w, %0, %32, %20)", 0, 0, "does not have"},
    {"Chunk",
     "%l : Tensor[] = aten::chunk(%w, %3, %0)\n %a : Tensor, %r : Tensor, %b : Tensor = prim::ListUnpack(%l)",
     16, 32, ""},
    {"ChunkUneven",
     "%l : Tensor[] = aten::chunk(%w, %5, %0)\n %i : int = prim::Constant[value=4]()\n"
     " %r : Tensor = aten::__getitem__(%l, %i)",
     40, 48, ""},
    {"ConstantChunk", "%a : Tensor, %r : Tensor = prim::ConstantChunk[chunks=2, dim=0](%w)", 24, 48, ""},
    {"ConstantChunkOfColumns", "%a : Tensor, %r : Tensor = prim::ConstantChunk[chunks=2, dim=1](%w)", 0, 0,
     "columns"},
    {"SplitEvery20", "%l : Tensor[] = aten::split(%w, %20, %0)\n %r : Tensor = aten::__getitem__(%l, %2)", 40,
     48, ""},
    {"SplitFromTheBack",
     "%l : Tensor[] = aten::split(%w, %20, %0)\n %r : Tensor = aten::__getitem__(%l, %m2)", 20, 40, ""},
    {"SplitSizes",
     "%s : int[] = prim::ListConstruct(%16, %32)\n %l : Tensor[] = aten::split_with_sizes(%w, %s, %0)\n"
     " %a : Tensor, %r : Tensor = prim::ListUnpack(%l)",
     16, 48, ""},
    {"SplitOneAndTwoOfAnUnknown",
     "%d : int = aten::mul(%e, %2)\n %s : int[] = prim::ListConstruct(%e, %d)\n"
     " %l : Tensor[] = aten::split_with_sizes(%w, %s, %0)\n %a : Tensor, %r : Tensor = prim::ListUnpack(%l)",
     16, 48, ""},
    {"SplitUnknownPlusConstant",
     "%d : int = aten::add(%e, %16)\n %s : int[] = prim::ListConstruct(%e, %d)\n"
     " %l : Tensor[] = aten::split_with_sizes(%w, %s, %0)\n %a : Tensor, %r : Tensor = prim::ListUnpack(%l)",
     16, 48, ""},
    {"SplitTraced",
     "%n : int = aten::size(%t, %2)\n %f : Tensor = prim::NumToTensor(%n)\n %g : Tensor = aten::mul(%f, %2)\n"
     " %h : int = aten::Int(%g)\n %n2 : int = aten::size(%t, %2)\n %s : int[] = prim::ListConstruct(%n2, "
     "%h)\n"
     " %l : Tensor[] = aten::split_with_sizes(%w, %s, %0)\n %r : Tensor, %a : Tensor = prim::ListUnpack(%l)",
     0, 16, ""},
    {"SplitTwoUnknowns",
     "%n : int = aten::size(%t, %2)\n %s : int[] = prim::ListConstruct(%e, %n)\n"
     " %l : Tensor[] = aten::split_with_sizes(%w, %s, %0)\n %r : Tensor, %a : Tensor = prim::ListUnpack(%l)",
     0, 0, "not known before run time"},
    {"SplitUnknownAndTheRest",
     "%d : int = aten::sub(%32, %e)\n %s : int[] = prim::ListConstruct(%e, %d)\n"
     " %l : Tensor[] = aten::split_with_sizes(%w, %s, %0)\n %r : Tensor, %a : Tensor = prim::ListUnpack(%l)",
     0, 0, "not known before run time"},
    {"Computed", "%r : Tensor = aten::mul(%w, %2)", 0, 0, "aten::mul"},
    {"Transposed", "%r : Tensor = aten::t(%w)", 0, 0, "aten::t"},
};
INSTANTIATE_TEST_SUITE_P(Cases, RowsOf, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace vqt
