// Each fault that the simulator refuses, planted in a small kernel; and kernels without one, which it lets pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cuda/device.h"
#include "tests/ops/cuda/simulator/simulator.h"

namespace vqt::cuda {
namespace {

using ::testing::HasSubstr;

int32_t* shared_words() { return reinterpret_cast<int32_t*>(shared_memory()); }

// What the simulator says of a kernel; "" where it is content, with every seed.
template <class Kernel>
std::string fault_of(int threads, size_t shared, Kernel kernel, int blocks = 1) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    try {
      simulate(blocks, threads, shared, seed, kernel);
    } catch (const simulator::Fault& fault) {
      return fault.what();
    }
  }
  return "";
}

void exchange(bool with_barrier) {
  store_shared(shared_words() + thread_index(), 1);
  if (with_barrier) sync_block();
  load_shared(shared_words() + (thread_index() + 32) % 64);
}

TEST(Simulator, WarpsNeedABarrierBetweenAWriteAndARead) {
  EXPECT_EQ(fault_of(64, 256, [] { exchange(true); }), "");
  EXPECT_THAT(fault_of(64, 256, [] { exchange(false); }), HasSubstr("no barrier between"));
}

TEST(Simulator, WarpsNeedABarrierBetweenAReadAndAWrite) {
  const auto kernel = [] {
    if (thread_index() >= 32) load_shared(shared_words() + thread_index() - 32);
    if (thread_index() < 32) store_shared(shared_words() + thread_index(), 1);
  };
  EXPECT_THAT(fault_of(64, 256, kernel), HasSubstr("no barrier between"));
}

TEST(Simulator, LanesOfAWarpNeedSyncWarp) {
  const auto kernel = [](bool synchronized) {
    store_shared(shared_words() + thread_index(), 1);
    if (synchronized) sync_warp();
    load_shared(shared_words() + 31 - thread_index());
  };
  EXPECT_EQ(fault_of(32, 128, [&] { kernel(true); }), "");
  EXPECT_THAT(fault_of(32, 128, [&] { kernel(false); }), HasSubstr("no sync_warp between"));
}

TEST(Simulator, AccessesAreInsideMemory) {
  const Buffer<int32_t> buffer(32);
  EXPECT_EQ(fault_of(32, 128, [&] { load(buffer.data() + thread_index()); }), "");
  EXPECT_THAT(fault_of(32, 128, [&] { load(buffer.data() + thread_index() + 1); }),
              HasSubstr("lane 31: global memory: 4 bytes outside every buffer: +128 of one of 128 bytes"));
  EXPECT_THAT(fault_of(32, 124, [] { load_shared(shared_words() + thread_index()); }),
              HasSubstr("shared memory: 4 bytes at +124 of 124"));
}

TEST(Simulator, AccessesAreAligned) {
  const Buffer<int32_t> buffer(64);
  EXPECT_THAT(fault_of(1, 0, [&] { load(reinterpret_cast<const Bytes16*>(buffer.data() + 1)); }),
              HasSubstr("global memory: 16 bytes at an address that is no multiple of that"));
  EXPECT_THAT(fault_of(1, 64, [] { load_shared(reinterpret_cast<const Bytes8*>(shared_words() + 1)); }),
              HasSubstr("shared memory: 8 bytes at +4, no multiple of that"));
  EXPECT_THAT(fault_of(1, 64, [&] { copy_async(shared_words() + 1, buffer.data()); }),
              HasSubstr("no multiple of 16 bytes"));
}

TEST(Simulator, CopiesAreWaitedFor) {
  const Buffer<int32_t> buffer(4);
  const auto kernel = [&](bool commit, bool wait) {
    copy_async(shared_words(), buffer.data());
    if (commit) copy_async_commit();
    if (wait) copy_async_wait<0>();
    load_shared(shared_words());
  };
  EXPECT_EQ(fault_of(1, 64, [&] { kernel(true, true); }), "");
  EXPECT_THAT(fault_of(1, 64, [&] { kernel(true, false); }),
              HasSubstr("is the target of a copy that was not waited for"));
  EXPECT_THAT(fault_of(1, 64, [&] { kernel(false, true); }),
              HasSubstr("is the target of a copy that was not waited for"));
  EXPECT_THAT(fault_of(1, 64, [&] { copy_async(shared_words(), buffer.data()); }),
              HasSubstr("ended with copies in flight"));
}

// One thread copies in bulk, the others wait at an mbarrier.
void bulk(const Buffer<int32_t>& buffer, uint32_t expected, uint32_t parity, bool wait = true) {
  auto* const barrier = reinterpret_cast<uint64_t*>(shared_memory() + 64);
  if (thread_index() == 0) {
    barrier_init(barrier, 1);
    barrier_init_done();
  }
  sync_block();
  if (thread_index() == 0) {
    barrier_expect(barrier, expected);
    bulk_copy(shared_memory(), buffer.data(), 64, barrier);
  }
  sync_block();
  if (wait) barrier_wait(barrier, parity);
  if (load_shared(shared_words() + thread_index() % 16) != load(buffer.data() + thread_index() % 16))
    throw simulator::Fault("another value than the copied one");
}

TEST(Simulator, BulkCopiesAreWaitedForByTheirBarrier) {
  const Buffer<int32_t> buffer(16);
  EXPECT_EQ(fault_of(64, 128, [&] { bulk(buffer, 64, 0); }), "");
  EXPECT_THAT(fault_of(64, 128, [&] { bulk(buffer, 64, 0, false); }),
              HasSubstr("is the target of a copy that was not waited for"));
  EXPECT_THAT(fault_of(64, 128, [&] { bulk(buffer, 64, 1); }),  // the phase before the first has ended
              HasSubstr("is the target of a copy that was not waited for"));
  EXPECT_THAT(fault_of(64, 128, [&] { bulk(buffer, 80, 0); }),
              HasSubstr("deadlock: 64 threads wait at an mbarrier"));
}

TEST(Simulator, ABarrierThatNotAllReachIsADeadlock) {
  const auto kernel = [] {
    if (thread_index() != 5) sync_block();
  };
  EXPECT_THAT(fault_of(64, 0, kernel), HasSubstr("deadlock: 63 threads wait at the block's barrier"));
}

TEST(Simulator, AMbarrierIsInitializedFirst) {
  const auto kernel = [] { barrier_arrive(reinterpret_cast<uint64_t*>(shared_memory())); };
  EXPECT_THAT(fault_of(1, 64, kernel), HasSubstr("an mbarrier that was not initialized"));
}

TEST(Simulator, ProductsAreWaitedFor) {
  constexpr size_t kBytes = (64 + 128) * 128;
  const auto kernel = [](bool wait) {
    int32_t* const rows_of_warp = shared_words() + thread_index() / 32 * 16 * 32;
    for (size_t i = thread_index(); i < kBytes / 4; i += 128) store_shared(shared_words() + i, 0x01010101);
    sync_block();
    int32_t sums[64];
    wgmma_fence();
    wgmma_u8s8(sums, wgmma_operand(shared_memory()), wgmma_operand(shared_memory() + 64 * 128), false);
    wgmma_commit();
    if (wait) wgmma_wait<0>();
    store_shared(rows_of_warp + thread_index() % 32, 2);  // of a, which no other warp reads
    if (!wait) wgmma_wait<0>();
    if (sums[0] != 32) throw simulator::Fault("another sum than 32");
  };
  EXPECT_THAT(fault_of(128, kBytes, [&] { kernel(false); }),
              HasSubstr("is read by a product that was not waited for"));
  EXPECT_EQ(fault_of(128, kBytes, [&] { kernel(true); }), "");
}

TEST(Simulator, CountsBankConflictsAndSectors) {
  const Buffer<int32_t> buffer(32 * 8);
  const auto counted = [&](int stride) {
    reset_counters();
    simulate(1, 32, 32 * 8 * 4, 1, [&] {
      load_shared(shared_words() + thread_index() * stride);
      load(buffer.data() + thread_index() * stride);
    });
    return counters();
  };
  const simulator::Counters dense = counted(1), every8th = counted(8);
  EXPECT_EQ(dense.shared_wavefronts, 1u);
  EXPECT_EQ(dense.global_sectors, 4u);
  EXPECT_EQ(every8th.shared_wavefronts, 8u);  // 32 words in 4 banks
  EXPECT_EQ(every8th.global_sectors, 32u);
  EXPECT_EQ(every8th.shared_ideal, 1u);
  EXPECT_EQ(every8th.global_ideal, 4u);
}

TEST(Simulator, ProductsAreTheHandWorkedOnes) {
  simulate(1, 32, 0, 1, [] {
    // a: row r holds r + 1 at k = r; b: column c holds -c at each k. So the sum of row r is -c (r + 1).
    const int lane = thread_index();
    uint32_t a[4], b[2];
    for (int j = 0; j < 4; ++j) {
      uint8_t bytes[4];
      for (int k = 0; k < 4; ++k) {
        const int row = lane / 4 + j % 2 * 8, depth = lane % 4 * 4 + j / 2 * 16 + k;
        bytes[k] = static_cast<uint8_t>(row == depth ? row + 1 : 0);
      }
      std::memcpy(&a[j], bytes, 4);
    }
    for (uint32_t& word : b) word = static_cast<uint8_t>(-(lane / 4)) * 0x01010101u;
    int32_t d[4] = {100, 100, 100, 100};
    mma_u8s8(d, a, b[0], b[1]);
    for (int j = 0; j < 4; ++j) {
      const int row = lane / 4 + j / 2 * 8, column = lane % 4 * 2 + j % 2;
      EXPECT_EQ(d[j], 100 - column * (row + 1)) << "row " << row << " column " << column;
    }
  });
}

}  // namespace
}  // namespace vqt::cuda
