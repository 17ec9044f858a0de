#include "cpu/layout/activation.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace vqt::cpu {
namespace {

QuantizedRows layout(int64_t rows, int64_t k, int64_t tile) {
  return activation_rows(nullptr, rows, k, tile);
}

std::vector<int64_t> heights(int64_t rows, int64_t tile) {
  const QuantizedRows a = layout(rows, 8, tile);
  std::vector<int64_t> all;
  for (int64_t row = 0; row < rows; row += a.height(row)) all.push_back(a.height(row));
  return all;
}

TEST(QuantizedRows, TheLastRowsAreCutEvenly) {
  using Heights = std::vector<int64_t>;
  EXPECT_EQ(heights(0, 12), Heights());
  EXPECT_EQ(heights(1, 12), Heights({1}));
  EXPECT_EQ(heights(12, 12), Heights({12}));
  EXPECT_EQ(heights(13, 12), Heights({7, 6}));
  EXPECT_EQ(heights(17, 12), Heights({9, 8}));
  EXPECT_EQ(heights(18, 12), Heights({12, 6}));
  EXPECT_EQ(heights(23, 12), Heights({12, 11}));
  EXPECT_EQ(heights(24, 12), Heights({12, 12}));
  EXPECT_EQ(heights(25, 12), Heights({12, 7, 6}));
  EXPECT_EQ(heights(3, 1), Heights({1, 1, 1}));
}

TEST(QuantizedRows, OffsetsByHand) {
  // 13 rows of k 9 (padded to 16): a tile of 7 rows, 112 bytes, then one of 6
  const QuantizedRows a = layout(13, 9, 12);
  EXPECT_EQ(a.k_pad, 16);
  EXPECT_EQ(a.offset(0, 0), 0);
  EXPECT_EQ(a.offset(1, 0), 4);
  EXPECT_EQ(a.offset(0, 4), 28);
  EXPECT_EQ(a.offset(6, 12), 3 * 28 + 24);
  EXPECT_EQ(a.offset(7, 0), 112);
  EXPECT_EQ(a.offset(12, 8), 112 + 2 * 24 + 20);
  EXPECT_EQ(layout(13, 9, 1).offset(5, 12), 5 * 16 + 12);
}

TEST(QuantizedRows, EveryPlaceIsTakenOnce) {
  for (int64_t tile : {1, 2, 3, 12}) {
    for (int64_t rows = 0; rows <= 67; ++rows) {
      const QuantizedRows a = layout(rows, 17, tile);
      std::vector<int> taken(rows * a.k_pad, 0);
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t first = a.first(row);
        EXPECT_EQ(a.first(first), first);
        EXPECT_LE(first, row);
        EXPECT_LT(row, first + a.height(first));
        EXPECT_LE(a.height(first), tile);
        for (int64_t k = 0; k < a.k_pad; k += 4) {
          for (int64_t i = 0; i < 4; ++i) ++taken.at(a.offset(row, k) + i);
        }
      }
      EXPECT_EQ(taken, std::vector<int>(rows * a.k_pad, 1)) << rows << " rows in tiles of " << tile;
    }
  }
}

}  // namespace
}  // namespace vqt::cpu
