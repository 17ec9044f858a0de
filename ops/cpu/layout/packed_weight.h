// The packed weight: one byte block of header, scales, zero points, sums and weights, readable
// on any machine.
//
//   kCanonical   header | scale f32[scales] | zero i32[scales] | canonical bytes
//   kCpuInt8     header | scale f32[n_pad] | zero i32[n_pad] | sum i32[n_pad] | panels
//                  panels: s8 [n_pad/16][k_pad/4][16][4]; n_pad is n rounded up to a multiple of 16, k_pad
//                  is k rounded up to a multiple of 4, padding is 0
//                  Asymmetric weights are stored as q - 128 with zero - 128, so that they fit s8.
//                  A per-tensor scale is repeated for every column. sum: of the stored s8 values of a column.
//   kCpuInt4     header | offset f32[n_pad] | panels
//                  panels: [n_pad/16], each [groups] x { scale f32[16] | zero u8[16] | nibbles }
//                  zero: asymmetric weights only; nibbles: u8 [group_pad/8][16][4], of the last group as many as
//                  its values need: k_pad of a row, which is k rounded up to a multiple of 8
//                  A byte holds value k (low nibble) and value k + 4 (high nibble) of one column; a 32-bit
//                  lane holds 8 consecutive values. Nibbles are unsigned: symmetric ones are stored as q + 8,
//                  and their zero is 8.
//                  offset: sum over groups of scale * sum(q - zero), taken in double, groups in order, and
//                  rounded once. A product of x has to lose x's zero point times offset.
//                  Fast kernels need group % 8 == 0, or one group per row (group_pad then rounds up to 8). 4 bits
//                  without groups: one group per row; a per-tensor scale is repeated.
//
//   kCudaInt8    header | scale f32[n_pad] | zero i32[n_pad] | sum i32[n_pad] | tiles
//                  As kCpuInt8, but n_pad is n rounded up to a multiple of 64 and k_pad is k rounded up to a multiple of
//                  128; tiles: s8 [n_pad/64][k_pad/128][64][128], a tile as cuda_tiles.h draws it. Scales, zeros and
//                  sums are in y's order of columns. No kernel of the CPU reads it: ops pack it again in every call.
//
// n is the number of columns of y (rows of the weight). Every section starts at a multiple of 64 bytes from
// the block's start; the block may start anywhere.
#pragma once

#include <cstdint>

#include "cpu/layout/panel.h"
#include "vqt/packing.h"
#include "vqt/scheme.h"

namespace vqt::cpu {

enum class Layout : uint16_t { kCanonical = 0, kCpuInt8 = 1, kCpuInt4 = 2, kCudaInt8 = 3 };

struct PackedHeader {  // 64 bytes at the start of the block
  char magic[4];       // "VQTW"
  uint16_t version;    // kPackedVersion, or kPackedVersionShortGroups where k % group_size != 0
  Layout layout;
  int64_t n, k;
  int64_t group_size;  // 0 without groups, k where it was given as -1
  int64_t bytes;       // of the whole block, header included
  uint8_t bits;
  uint8_t symmetric;
  Granularity granularity;
  uint8_t reserved[21];  // [0]: bytes per weight before quantization, 0 for 4; the others are 0
};
static_assert(sizeof(PackedHeader) == 64);

// Byte offsets of the sections; a section that a layout lacks has offset 0.
struct PackedSections {
  int64_t scale = 0, zero = 0, sum = 0, offset = 0, weight = 0;
  int64_t n_pad = 0, k_pad = 0;
  int64_t scales = 0;  // how many scales the canonical form has
  int64_t width = 0;   // row_width, or k where groups run on from row to row
  // kCpuInt4: groups of a row, values of one (padded to 8; the last may have fewer), bytes of one of one panel, bytes
  // of a panel
  int64_t groups = 0, group = 0, group_bytes = 0, panel_bytes = 0;
  int64_t total = 0;
};
PackedSections sections(const PackedHeader& header);

// Header for a weight of this scheme. Layout is not checked against the scheme; see fast_layout.
PackedHeader make_header(int64_t n, int64_t k, const Scheme& scheme, Layout layout);
// The layout of the CPU's fast kernels, or kCanonical where there is none (groups of 20, 16 bits, ...).
Layout fast_layout(int64_t k, const Scheme& scheme);
// The layout of the CUDA kernels, or kCanonical where there is none yet: 8 bits, per tensor or per channel.
Layout cuda_layout(int64_t k, const Scheme& scheme);
// Whether the CUDA kernels alone read this layout in place.
bool is_for_cuda(Layout layout);
// The scheme the header was made for; a group that is a whole row comes back as group_size -1.
Scheme scheme_of(const PackedHeader& header);
// Values of one row that share a scale in kCpuInt4: group_size, or k without groups or with larger ones.
int64_t row_group(const PackedHeader& header);
// Do groups run on from row to row, as in files of version 1? No kernel but the reference reads them.
bool groups_cross_rows(const PackedHeader& header);
// Bytes of the canonical form of a weight [n, k].
int64_t canonical_bytes(int64_t n, int64_t k, int64_t bits);
// Null when a tensor of `bytes` bytes holds this packed weight, else a sentence that says what is wrong. The
// tensor is [n, ceil(header.bytes / n)], so that its shape shows n; the bytes that fill its last row are 0.
const char* check_header(const PackedHeader& header, int64_t bytes);

// canonical (quantize's output) -> packed block of header.bytes bytes, and back. scale and zero: as
// many as sections(header).scales.
void pack(const PackedHeader& header, const void* canonical, const float* scale, const int32_t* zero,
          uint8_t* block);
void unpack(const uint8_t* block, void* canonical, float* scale, int32_t* zero);

// pack() in parts that may run on several threads: the head first (it clears what no panel writes), then
// every panel of kPanel columns once, in any order.
void pack_head(const PackedHeader& header, const float* scale, const int32_t* zero, uint8_t* block);
void pack_panels(const PackedHeader& header, const void* canonical, const float* scale, const int32_t* zero,
                 int64_t panel_begin, int64_t panel_end, uint8_t* block);

// Rows [row_begin, row_end) as float32 [rows][k], (q - zero) * scale, from any layout.
void dequantize_packed(const uint8_t* block, int64_t row_begin, int64_t row_end, float* out);

}  // namespace vqt::cpu
