// The constants of gelu.h, for the CPU's kernels and CUDA's.
#pragma once

namespace vqt::cpu {

constexpr float kGeluEnd = 5.375f;
constexpr float kGeluScale = 0x1.1b8d5cp-4f;  // 2 / end^2
constexpr float kGelu[] = {                   // of u^0 .. u^14
    0x1.0d62a0p-3f,  -0x1.0cca00p-4f,  0x1.8edf7ap-5f,  -0x1.4203d0p-5f,  0x1.071d40p-5f,
    -0x1.a3c11ap-6f, 0x1.3e7db4p-6f,   -0x1.c66b10p-7f, 0x1.39928ap-7f,   -0x1.9d5a3ap-8f,
    0x1.afb102p-9f,  -0x1.5ee2e4p-10f, 0x1.119698p-10f, -0x1.d54850p-11f, 0x1.3206a6p-12f};

}  // namespace vqt::cpu
