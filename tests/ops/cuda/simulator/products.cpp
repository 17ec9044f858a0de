// wgmma: products of operands in shared memory that end later.
#include <algorithm>
#include <utility>

#include "tests/ops/cuda/simulator/machine.h"

namespace vqt::simulator {
namespace {

constexpr int kDepth = 32;       // k's of a product
constexpr int kRowsOfWarp = 16;  // of 64

// Rows of 128 bytes in groups of 8, which are `stride` bytes apart.
struct Operand {
  size_t begin, stride;

  explicit Operand(uint64_t descriptor)
      : begin(static_cast<size_t>(descriptor & 0x3fff) << 4),
        stride(static_cast<size_t>(descriptor >> 32 & 0x3fff) << 4) {
    if (descriptor >> 62 != 1) fail("wgmma: the descriptor does not name the swizzle of 128 bytes");
    if ((descriptor >> 49 & 7) != 0) fail("wgmma: the descriptor has a base offset");
  }

  // Bits 4 to 6 of an address are swizzled by its bits 7 to 9.
  size_t offset(int row, int k) const {
    const size_t plain = begin + row / 8 * stride + row % 8 * 128 + k;
    return plain ^ (plain >> 7 & 7) << 4;
  }
};

int first_row() { return this_warp().id % 4 * kRowsOfWarp; }

// Calls f with each 16 bytes that this warp's share of a product reads.
template <class F>
void for_each_read(const Product& p, F f) {
  const Operand a(p.a), b(p.b);
  for (int k = 0; k < kDepth; k += 16) {
    for (int row = 0; row < kRowsOfWarp; ++row) f(a.offset(first_row() + row, k));
    for (int column = 0; column < p.columns; ++column) f(b.offset(column, k));
  }
}

void multiply(const Product& p) {
  const Operand a(p.a), b(p.b);
  const char* const shared = machine().shared;
  std::vector<int32_t> left(kRowsOfWarp * kDepth), right(static_cast<size_t>(p.columns) * kDepth);
  for (int k = 0; k < kDepth; ++k) {
    for (int row = 0; row < kRowsOfWarp; ++row)
      left[row * kDepth + k] = static_cast<uint8_t>(shared[a.offset(first_row() + row, k)]);
    for (int column = 0; column < p.columns; ++column)
      right[column * kDepth + k] = static_cast<int8_t>(shared[b.offset(column, k)]);
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < p.columns / 2; ++i) {
      const int row = lane / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
      int32_t sum = p.accumulate ? p.before[lane * p.columns / 2 + i] : 0;
      for (int k = 0; k < kDepth; ++k) sum += left[row * kDepth + k] * right[column * kDepth + k];
      p.d[lane][i] = sum;
    }
  }
  counters().products += static_cast<uint64_t>(kRowsOfWarp) * p.columns * kDepth;
}

void finish(Product& p) {
  if (p.chained) {  // the sums are those of the product before, by now
    for (int lane = 0; lane < kLanes; ++lane)
      std::copy_n(p.d[lane], p.columns / 2, p.before.begin() + lane * p.columns / 2);
  }
  multiply(p);
  for_each_read(p, [](size_t offset) { mark(offset, 16, &Word::products, -1); });
}

}  // namespace

void wgmma_u8s8(int32_t* d, int columns, uint64_t a, uint64_t b, bool accumulate) {
  struct Lane {
    int32_t* d;
    uint64_t a, b;
  };
  const Lane mine = {d, a, b};
  warp_collective(&mine, sizeof mine, nullptr, 0, [&](const char* in, char*) {
    Lane lanes[kLanes];
    std::memcpy(lanes, in, sizeof lanes);
    Products& flight = machine().products[this_warp().id];
    const auto has_these_sums = [&](const std::vector<Product>& products) {
      return std::any_of(products.begin(), products.end(),
                         [&](const Product& p) { return p.d[0] == lanes[0].d; });
    };
    Product p = {columns, a, b, accumulate, has_these_sums(flight.open), {}, {}};
    p.chained |= std::any_of(flight.committed.begin(), flight.committed.end(), has_these_sums);
    p.before.resize(static_cast<size_t>(kLanes) * columns / 2);
    for (int i = 0; i < kLanes; ++i) {
      if (lanes[i].a != a || lanes[i].b != b) fail("wgmma: lanes of a warp give different descriptors");
      p.d[i] = lanes[i].d;
      if (p.chained) continue;
      std::copy_n(p.d[i], columns / 2, p.before.begin() + i * columns / 2);
      fill_randomly(p.d[i], columns / 2 * sizeof(int32_t));
    }
    for_each_read(p, [](size_t offset) {
      touch(shared_offset(machine().shared + offset, 16), 16, false, -1);
      mark(offset, 16, &Word::products, 1);
    });
    flight.open.push_back(std::move(p));
  });
}

void wgmma_commit() {
  warp_collective(nullptr, 0, nullptr, 0, [](const char*, char*) {
    Products& flight = machine().products[this_warp().id];
    flight.committed.push_back(std::exchange(flight.open, {}));
  });
}

void wgmma_wait(int pending) {
  warp_collective(nullptr, 0, nullptr, 0, [pending](const char*, char*) {
    Products& flight = machine().products[this_warp().id];
    while (static_cast<int>(flight.committed.size()) > pending) {
      for (Product& p : flight.committed.front()) finish(p);
      flight.committed.pop_front();
    }
  });
}

}  // namespace vqt::simulator
