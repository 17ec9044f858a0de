#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "vqt/conv.h"

namespace vqt {
namespace {

struct Row {
  ConvShape shape;
  std::string want;  // the form's name, or why the convolution stays in floating point
};

ConvShape conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  ConvShape s;
  s.in_channels = in, s.out_channels = out;
  s.kernel = {kernel, kernel}, s.stride = {stride, stride}, s.padding = {padding, padding};
  return s;
}
ConvShape transposed(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  ConvShape s = conv(in, out, kernel, stride, padding);
  s.transposed = true;
  return s;
}
template <class Change>
ConvShape with(ConvShape s, Change change) {
  change(s);
  return s;
}

TEST(ConvForm, Table) {
  const Row rows[] = {
      {conv(256, 256, 3, 1, 1), "winograd"},
      {conv(32, 16, 3, 1, 1), "winograd"},
      {conv(64, 64, 3, 1, 0), "winograd"},
      {conv(128, 2, 1, 1, 0), "2 output channels"},
      {conv(31, 64, 3, 1, 1), "31 input channels"},
      {conv(3, 1024, 14, 14, 0), "3 input channels"},
      {conv(2048, 1024, 1, 1, 0), "pointwise"},
      {conv(64, 64, 1, 2, 0), "windows"},
      {conv(64, 64, 1, 1, 1), "windows"},
      {conv(1024, 1024, 3, 2, 1), "windows"},
      {conv(64, 64, 5, 1, 2), "windows"},
      {with(conv(64, 64, 3, 1, 1),
            [](ConvShape& s) {
              s.stride = {1, 2};
            }),
       "windows"},
      {with(conv(64, 64, 3, 1, 1), [](ConvShape& s) { s.groups = 4; }), "4 groups"},
      {with(conv(64, 64, 3, 1, 2),
            [](ConvShape& s) {
              s.dilation = {2, 2};
            }),
       "dilation 2 x 2"},
      {conv(7311, 64, 3, 2, 1), "a window of 65799 values, more than an int32 sum of 65793"},
      {conv(7310, 64, 3, 2, 1), "windows"},
      {transposed(256, 256, 4, 4, 0), "transposed"},
      {transposed(256, 256, 2, 2, 0), "transposed"},
      {transposed(64, 32, 3, 2, 1), "transposed with a kernel of 3 x 3 and a stride of 2 x 2"},
      {transposed(64, 32, 2, 2, 1), "transposed with padding 1 x 1"},
      {with(transposed(64, 32, 2, 2, 0),
            [](ConvShape& s) {
              s.output_padding = {1, 0};
            }),
       "transposed with output padding 1 x 0"},
  };
  for (const Row& row : rows) {
    const ConvChoice choice = choose_conv_form(row.shape);
    EXPECT_EQ(choice.form.has_value() ? to_string(*choice.form) : choice.why_float, row.want);
    EXPECT_EQ(choice.form.has_value(), choice.why_float.empty());
  }
}

TEST(ConvForm, NamesGoBothWays) {
  for (const char* name : {"pointwise", "winograd", "windows", "transposed"}) {
    EXPECT_EQ(to_string(conv_form_from(name)), std::string(name));
  }
  EXPECT_THROW(conv_form_from("direct"), std::invalid_argument);
}

TEST(ConvForm, MatrixSizes) {
  const auto size = [](ConvForm form) {
    const ConvMatrixSize m = conv_matrix_size(form, 17, 40, {3, 2});
    return std::to_string(m.rows) + " x " + std::to_string(m.columns);
  };
  EXPECT_EQ(size(ConvForm::kPointwise), "17 x 40");
  EXPECT_EQ(size(ConvForm::kWinograd), "512 x 40");
  EXPECT_EQ(size(ConvForm::kWindows), "17 x 240");
  EXPECT_EQ(size(ConvForm::kTransposed), "102 x 40");
}

}  // namespace
}  // namespace vqt
