// What device.h asks of the simulator; each is about the thread that asks. Addresses in shared memory are those of
// shared_memory() and what follows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "tests/ops/cuda/simulator/simulator.h"

namespace vqt::simulator {

int thread_index();
int block_index();
int grid_size();
char* shared_memory();

void sync_block();
// All lanes of a warp give bytes_in and get bytes_out; combine runs once, on arrays of 32.
void warp_collective(const void* in, size_t bytes_in, void* out, size_t bytes_out,
                     const std::function<void(const char* in, char* out)>& combine);

void access_global(const void* address, size_t bytes, bool write);
void access_shared(const void* address, size_t bytes, bool write);
void access_rows(const void* const (&rows)[32]);  // of 16 bytes: what ldmatrix reads

void copy_async(void* shared, const void* global, size_t bytes);
void copy_async_commit();
void copy_async_wait(int pending);

void barrier_init(uint64_t* barrier, uint32_t count);
void barrier_arrive(uint64_t* barrier);
void barrier_expect(uint64_t* barrier, uint32_t bytes);
void barrier_wait(uint64_t* barrier, uint32_t parity);
void bulk_copy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier);

// d[columns / 2] of this lane, of a product of 64 x columns with 32 k's by four warps.
void wgmma_u8s8(int32_t* d, int columns, uint64_t a, uint64_t b, bool accumulate);
void wgmma_commit();
void wgmma_wait(int pending);

}  // namespace vqt::simulator
