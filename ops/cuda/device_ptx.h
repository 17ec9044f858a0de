// device.h for nvcc. Not yet run on a GPU.
#pragma once

#include <cstdint>

#define VQT_KERNEL __global__
#define VQT_DEVICE __device__ __forceinline__
#define VQT_HOST_DEVICE __host__ __device__ __forceinline__
#define VQT_BOUNDS(threads, blocks) __launch_bounds__(threads, blocks)
#define VQT_UNROLL _Pragma("unroll")

namespace vqt::cuda {

struct alignas(16) Bytes16 {
  uint32_t v[4];
};
struct alignas(8) Bytes8 {
  uint32_t v[2];
};

// Arithmetic that is rounded once, and never contracted.
VQT_DEVICE float mul(float a, float b) { return __fmul_rn(a, b); }
VQT_DEVICE float add(float a, float b) { return __fadd_rn(a, b); }
VQT_DEVICE float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
VQT_DEVICE float div(float a, float b) { return __fdiv_rn(a, b); }
VQT_DEVICE int32_t round_half_even(float a) { return __float2int_rn(a); }
VQT_DEVICE float to_float(int32_t a) { return __int2float_rn(a); }
VQT_DEVICE uint32_t bits(float a) { return __float_as_uint(a); }
VQT_DEVICE float from_bits(uint32_t a) { return __uint_as_float(a); }
// Two bfloat16, the first in the low half.
VQT_DEVICE uint32_t bfloat16_pair(float low, float high) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

VQT_DEVICE int thread_index() { return threadIdx.x; }
VQT_DEVICE int block_index() { return blockIdx.x; }
VQT_DEVICE int grid_size() { return gridDim.x; }
VQT_DEVICE char* shared_memory() {
  extern __shared__ __align__(1024) char memory[];
  return memory;
}
VQT_DEVICE uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

VQT_DEVICE void sync_block() { __syncthreads(); }
VQT_DEVICE void sync_warp() { __syncwarp(); }

template <class T>
VQT_DEVICE T load(const T* global) {
  return *global;
}
template <class T>
VQT_DEVICE void store(T* global, T v) {
  *global = v;
}
template <class T>
VQT_DEVICE T load_shared(const T* shared) {
  return *shared;
}
template <class T>
VQT_DEVICE void store_shared(T* shared, T v) {
  *shared = v;
}

// ---- compute capability 8.0: asynchronous copies, ldmatrix, mma ----
VQT_DEVICE void copy_async(void* shared, const void* global) {  // 16 bytes
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)), "l"(global)
               : "memory");
}
VQT_DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int pending>
VQT_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}
// Four matrices of 8 rows x 16 bytes: lane i names row i % 8 of matrix i / 8. r[j] of lane i: bytes 4 * (i % 4) and on of
// row i / 4 of matrix j.
VQT_DEVICE void load_matrices(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
// d += a b, 16 x 8 with 32 k's; the names say the types of a and b.
#define VQT_MMA(name, types)                                                              \
  VQT_DEVICE void name(int32_t(&d)[4], const uint32_t(&a)[4], uint32_t b0, uint32_t b1) { \
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." types                           \
                 ".s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "                              \
                 "{%8, %9}, {%0, %1, %2, %3};"                                            \
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                         \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));         \
  }
VQT_MMA(mma_u8s8, "u8.s8")
VQT_MMA(mma_s8u8, "s8.u8")
#undef VQT_MMA

// ---- compute capability 9.0: mbarriers, bulk copies, wgmma ----
VQT_DEVICE void barrier_init(uint64_t* b, uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(count) : "memory");
}
VQT_DEVICE void barrier_init_done() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
VQT_DEVICE void barrier_arrive(uint64_t* b) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}
// Arrives; the phase ends only after so many more bytes of bulk copies.
VQT_DEVICE void barrier_expect(uint64_t* b, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(bytes)
               : "memory");
}
// Until the phase of this parity has ended.
VQT_DEVICE void barrier_wait(uint64_t* b, uint32_t parity) {
  asm volatile(
      "{\n .reg .pred done;\nagain:\n mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      " @done bra out;\n bra again;\nout:\n}" ::"r"(shared_address(b)),
      "r"(parity)
      : "memory");
}
VQT_DEVICE void bulk_copy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
          shared_address(shared)),
      "l"(global), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
}
VQT_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
VQT_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int pending>
VQT_DEVICE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}
template <int registers>
VQT_DEVICE void grow_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
}
template <int registers>
VQT_DEVICE void shrink_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
}

// clang-format off
#define VQT_D8(i) "+r"(d[i]), "+r"(d[i + 1]), "+r"(d[i + 2]), "+r"(d[i + 3]), "+r"(d[i + 4]), "+r"(d[i + 5]), "+r"(d[i + 6]), "+r"(d[i + 7])
#define VQT_D64(i) VQT_D8(i), VQT_D8(i + 8), VQT_D8(i + 16), VQT_D8(i + 24), VQT_D8(i + 32), VQT_D8(i + 40), VQT_D8(i + 48), VQT_D8(i + 56)
#define VQT_NAMES64 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, " \
  "%26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, " \
  "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define VQT_NAMES128 VQT_NAMES64 \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, " \
  "%88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, " \
  "%110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
// clang-format on

// d = a b, or d += a b: 64 x 128 or 64 x 256 with 32 k's; a: u8, b: s8, both in shared memory.
VQT_DEVICE void wgmma_u8s8(int32_t (&d)[64], uint64_t a, uint64_t b, bool accumulate) {
  asm volatile(
      "{\n .reg .pred p;\n setp.ne.b32 p, %66, 0;\n"
      " wgmma.mma_async.sync.aligned.m64n128k32.s32.u8.s8 {" VQT_NAMES64 "}, %64, %65, p;\n}"
      : VQT_D64(0)
      : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));
}
VQT_DEVICE void wgmma_u8s8(int32_t (&d)[128], uint64_t a, uint64_t b, bool accumulate) {
  asm volatile(
      "{\n .reg .pred p;\n setp.ne.b32 p, %130, 0;\n"
      " wgmma.mma_async.sync.aligned.m64n256k32.s32.u8.s8 {" VQT_NAMES128 "}, %128, %129, p;\n}"
      : VQT_D64(0), VQT_D64(64)
      : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));
}

}  // namespace vqt::cuda
