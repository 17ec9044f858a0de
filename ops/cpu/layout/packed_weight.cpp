#include "cpu/layout/packed_weight.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/layout/canonical.h"
#include "cpu/layout/cuda_tiles.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kMaxSide = int64_t{1} << 31;  // no size computed below can overflow

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }
int64_t align64(int64_t bytes) { return round_up(bytes, 64); }

template <class T>
void store(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <class T>
T load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

PackedHeader read_header(const uint8_t* block) { return load<PackedHeader>(block); }

struct ScaleZero {
  float scale;
  int32_t zero;
};

// Which of the canonical scales column n uses in a layout that holds one scale a column.
int64_t column_scale(const PackedHeader& h, int64_t column) {
  return h.granularity == Granularity::kPerTensor ? 0 : column;
}

// Whether no row has two scales.
bool is_row_wise(int64_t k, const Scheme& scheme) {
  return scheme.granularity != Granularity::kGroup || scheme.group_size < 0 || scheme.group_size >= k;
}

// ---- 4 bits ----

// 8 nibbles of consecutive values (bits 4i hold k + i) -> 4 bytes that hold k + j (low) and k + 4 + j (high).
uint32_t interleave8(uint32_t v) {
  const auto spread = [](uint32_t half) {  // 4 nibbles -> the low nibbles of 4 bytes
    half = (half | half << 8) & 0x00ff00ffu;
    return (half | half << 4) & 0x0f0f0f0fu;
  };
  return spread(v & 0xffffu) | spread(v >> 16) << 4;
}

uint32_t deinterleave8(uint32_t v) {
  const auto gather = [](uint32_t bytes) {  // the low nibbles of 4 bytes -> 4 nibbles
    bytes = (bytes | bytes >> 4) & 0x00ff00ffu;
    return (bytes | bytes >> 8) & 0xffffu;
  };
  return gather(v & 0x0f0f0f0fu) | gather(v >> 4 & 0x0f0f0f0fu) << 16;
}

int32_t nibble_sum(uint32_t v) {
  const uint32_t pairs = (v & 0x0f0f0f0fu) + (v >> 4 & 0x0f0f0f0fu);
  return static_cast<int32_t>(pairs * 0x01010101u >> 24);
}

// Nibbles [k, k + count) of a canonical row, count <= 8 and k even unless count is 1; the missing ones are 0.
uint32_t load_nibbles(const uint8_t* row, int64_t k, int64_t count) {
  if (count == 8) return load<uint32_t>(row + k / 2);
  uint32_t v = 0;
  for (int64_t i = 0; i < count; ++i)
    v |= static_cast<uint32_t>(row[(k + i) / 2] >> ((k + i) % 2 * 4) & 15) << (4 * i);
  return v;
}

uint32_t low_nibbles(int64_t count) { return count == 8 ? ~0u : (1u << (4 * count)) - 1; }

void pack_panel4(const PackedHeader& h, const PackedSections& s, const uint8_t* canonical, const float* scale,
                 const int32_t* zero, int64_t panel, uint8_t* block) {
  const int64_t row_bytes = (h.k + 1) / 2;
  const int64_t columns = std::min(kPanel, h.n - panel * kPanel);
  const uint32_t flip = h.symmetric ? 0x88888888u : 0;  // two's complement -> q + 8
  uint8_t* out = block + s.weight + panel * s.panel_bytes;
  double offset[kPanel] = {};
  for (int64_t g = 0; g < s.groups; ++g, out += s.group_bytes) {
    const int64_t group = std::min(s.group, h.k - g * s.group);
    uint8_t* zeros = out + kPanel * sizeof(float);
    uint8_t* nibbles = h.symmetric ? zeros : zeros + kPanel;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t column = panel * kPanel + c;
      const int64_t index = h.granularity == Granularity::kPerTensor ? 0 : column * s.groups + g;
      const uint8_t* row = canonical + column * row_bytes;
      int64_t sum = 0;
      for (int64_t k = 0; k < group; k += 8) {
        const int64_t count = std::min<int64_t>(8, group - k);
        const uint32_t v = load_nibbles(row, g * s.group + k, count) ^ (flip & low_nibbles(count));
        sum += nibble_sum(v);
        store(nibbles + k / 8 * 64 + c * 4, interleave8(v));
      }
      const int32_t z = h.symmetric ? 8 : zero[index];
      store(out + c * sizeof(float), scale[index]);
      if (!h.symmetric) zeros[c] = static_cast<uint8_t>(z);
      offset[c] += static_cast<double>(scale[index]) * static_cast<double>(sum - z * group);
    }
  }
  for (int64_t c = 0; c < kPanel; ++c) {
    store(block + s.offset + (panel * kPanel + c) * sizeof(float), static_cast<float>(offset[c]));
  }
}

// Row `column` of the weight as canonical nibbles.
void unpack_row4(const PackedHeader& h, const PackedSections& s, const uint8_t* block, int64_t column,
                 uint8_t* row) {
  const int64_t row_bytes = (h.k + 1) / 2;
  const uint32_t flip = h.symmetric ? 0x88888888u : 0;
  const uint8_t* in = block + s.weight + column / kPanel * s.panel_bytes;
  for (int64_t g = 0; g < s.groups; ++g, in += s.group_bytes) {
    const int64_t group = std::min(s.group, h.k - g * s.group);
    const uint8_t* nibbles = in + kPanel * sizeof(float) + (h.symmetric ? 0 : kPanel);
    for (int64_t k = 0; k < group; k += 8) {
      const int64_t count = std::min<int64_t>(8, group - k);
      const uint32_t lane = load<uint32_t>(nibbles + k / 8 * 64 + column % kPanel * 4);
      const uint32_t v = (deinterleave8(lane) ^ flip) & low_nibbles(count);
      const int64_t at = (g * s.group + k) / 2;
      std::memcpy(row + at, &v, std::min<int64_t>(4, row_bytes - at));
    }
  }
}

ScaleZero scale_at4(const PackedHeader& h, const PackedSections& s, const uint8_t* block, int64_t index) {
  // index counts groups row by row; 0 with a per-tensor scale
  const int64_t per_row = h.granularity == Granularity::kPerTensor ? 1 : s.groups;
  const int64_t column = index / per_row, g = index % per_row;
  const uint8_t* in = block + s.weight + column / kPanel * s.panel_bytes + g * s.group_bytes;
  return {load<float>(in + column % kPanel * sizeof(float)),
          h.symmetric ? 0 : in[kPanel * sizeof(float) + column % kPanel]};
}

// ---- 8 bits ----

// Where the weights k .. k + 3 of a column stand in panels or tiles; k is a multiple of 4.
int64_t place8(const PackedHeader& h, const PackedSections& s, int64_t column, int64_t k) {
  if (h.layout == Layout::kCpuInt8)
    return s.weight + column / kPanel * kPanel * s.k_pad + k * kPanel + column % kPanel * 4;
  const int64_t row = column / cuda::kTileRows * cuda::kTileRows +
                      cuda::tile_row_of(static_cast<int>(column % cuda::kTileRows));
  return s.weight + cuda::tiled_offset(row, k, s.n_pad, s.k_pad);
}

void pack_panel8(const PackedHeader& h, const PackedSections& s, const uint8_t* canonical, const float* scale,
                 const int32_t* zero, int64_t panel, uint8_t* block) {
  const int64_t columns = std::min(kPanel, h.n - panel * kPanel);
  const uint32_t flip = h.symmetric ? 0 : 0x80808080u;  // q - 128
  for (int64_t c = 0; c < columns; ++c) {
    const int64_t column = panel * kPanel + c;
    const uint8_t* row = canonical + column * h.k;
    int32_t sum = 0;
    for (int64_t k = 0; k < h.k; ++k) sum += static_cast<int8_t>(row[k] ^ (flip & 0xff));
    int64_t k = 0;
    for (; k + 4 <= h.k; k += 4) store(block + place8(h, s, column, k), load<uint32_t>(row + k) ^ flip);
    for (int64_t i = k; i < h.k; ++i)
      block[place8(h, s, column, k) + i - k] = static_cast<uint8_t>(row[i] ^ (flip & 0xff));
    const int64_t index = column_scale(h, column);
    const int64_t at = column * static_cast<int64_t>(sizeof(float));
    store(block + s.scale + at, scale[index]);
    store(block + s.zero + at, h.symmetric ? 0 : zero[index] - 128);
    store(block + s.sum + at, sum);
  }
}

void unpack_row8(const PackedHeader& h, const PackedSections& s, const uint8_t* block, int64_t column,
                 uint8_t* row) {
  const uint8_t flip = h.symmetric ? 0 : 0x80;
  for (int64_t k = 0; k < h.k; ++k)
    row[k] = static_cast<uint8_t>(block[place8(h, s, column, k / 4 * 4) + k % 4] ^ flip);
}

ScaleZero scale_at8(const PackedHeader& h, const PackedSections& s, const uint8_t* block, int64_t index) {
  const int32_t zero = load<int32_t>(block + s.zero + index * sizeof(int32_t));
  return {load<float>(block + s.scale + index * sizeof(float)), h.symmetric ? 0 : zero + 128};
}

// ---- every layout ----

void unpack_row(const PackedHeader& h, const PackedSections& s, const uint8_t* block, int64_t column,
                uint8_t* row) {
  switch (h.layout) {
    case Layout::kCanonical: {
      const int64_t bytes = canonical_bytes(1, h.k, h.bits);
      std::memcpy(row, block + s.weight + column * bytes, bytes);
      return;
    }
    case Layout::kCpuInt8:
    case Layout::kCudaInt8:
      return unpack_row8(h, s, block, column, row);
    case Layout::kCpuInt4:
      return unpack_row4(h, s, block, column, row);
  }
}

ScaleZero scale_at(const PackedHeader& h, const PackedSections& s, const uint8_t* block, int64_t index) {
  switch (h.layout) {
    case Layout::kCanonical:
      break;
    case Layout::kCpuInt8:
    case Layout::kCudaInt8:
      return scale_at8(h, s, block, index);
    case Layout::kCpuInt4:
      return scale_at4(h, s, block, index);
  }
  return {load<float>(block + s.scale + index * sizeof(float)),
          load<int32_t>(block + s.zero + index * sizeof(int32_t))};
}

}  // namespace

int64_t canonical_bytes(int64_t n, int64_t k, int64_t bits) {
  return bits == 4 ? n * ((k + 1) / 2) : n * k * (bits / 8);
}

Scheme scheme_of(const PackedHeader& h) {
  Scheme scheme;
  scheme.bits = h.bits;
  scheme.symmetric = h.symmetric != 0;
  scheme.granularity = h.granularity;
  if (h.granularity == Granularity::kGroup) scheme.group_size = h.group_size == h.k ? -1 : h.group_size;
  return scheme;
}

int64_t row_group(const PackedHeader& h) {
  return h.granularity == Granularity::kGroup ? std::min(h.group_size, h.k) : h.k;
}

bool has_short_groups(const PackedHeader& h) {
  return h.granularity == Granularity::kGroup && h.k % h.group_size != 0;
}

bool groups_cross_rows(const PackedHeader& h) { return h.version == kPackedVersion && has_short_groups(h); }

Layout fast_layout(int64_t k, const Scheme& scheme) {
  const bool row_wise = is_row_wise(k, scheme);
  if (scheme.bits == 8 && row_wise) return Layout::kCpuInt8;
  if (scheme.bits == 4 && (row_wise || scheme.group_size % 8 == 0)) return Layout::kCpuInt4;
  return Layout::kCanonical;
}

Layout cuda_layout(int64_t k, const Scheme& scheme) {
  return scheme.bits == 8 && is_row_wise(k, scheme) ? Layout::kCudaInt8 : Layout::kCanonical;
}

bool is_for_cuda(Layout layout) { return layout == Layout::kCudaInt8; }

PackedSections sections(const PackedHeader& h) {
  PackedSections s;
  s.n_pad = round_up(h.n, kPanel);
  s.k_pad = h.k;
  s.scales = scale_count(h.n, h.k, scheme_of(h));
  s.width = row_width(h.k, scheme_of(h));
  if (groups_cross_rows(h)) {
    s.width = h.k;
    s.scales = (h.n * h.k + h.group_size - 1) / h.group_size;
  }
  const int64_t start = sizeof(PackedHeader);
  switch (h.layout) {
    case Layout::kCanonical:
      s.scale = start;
      s.zero = align64(s.scale + s.scales * 4);
      s.weight = align64(s.zero + s.scales * 4);
      s.total = s.weight + canonical_bytes(h.n, h.k, h.bits);
      break;
    case Layout::kCpuInt8:
    case Layout::kCudaInt8:
      s.k_pad = h.layout == Layout::kCpuInt8 ? round_up(h.k, 4) : cuda::tile_depth(h.k);
      if (h.layout == Layout::kCudaInt8) s.n_pad = cuda::tile_rows(h.n);
      s.scale = start;
      s.zero = s.scale + s.n_pad * 4;
      s.sum = s.zero + s.n_pad * 4;
      s.weight = s.sum + s.n_pad * 4;
      s.total = s.weight + s.n_pad * s.k_pad;
      break;
    case Layout::kCpuInt4: {
      s.k_pad = round_up(h.k, 8);
      s.group = round_up(row_group(h), 8);
      s.groups = (h.k + s.group - 1) / s.group;
      const int64_t head = kPanel * 4 + (h.symmetric ? 0 : kPanel);
      s.group_bytes = head + kPanel * s.group / 2;
      s.panel_bytes = s.groups * head + kPanel * s.k_pad / 2;
      s.offset = start;
      s.weight = s.offset + s.n_pad * 4;
      s.total = s.weight + s.n_pad / kPanel * s.panel_bytes;
      break;
    }
  }
  return s;
}

PackedHeader make_header(int64_t n, int64_t k, const Scheme& scheme, Layout layout) {
  PackedHeader h = {};
  std::memcpy(h.magic, "VQTW", 4);
  h.version = kPackedVersion;
  h.layout = layout;
  h.n = n;
  h.k = k;
  if (scheme.granularity == Granularity::kGroup) h.group_size = scheme.group_size < 0 ? k : scheme.group_size;
  h.bits = static_cast<uint8_t>(scheme.bits);
  h.symmetric = scheme.symmetric ? 1 : 0;
  h.granularity = scheme.granularity;
  if (has_short_groups(h)) h.version = kPackedVersionShortGroups;
  h.bytes = sections(h).total;
  return h;
}

const char* check_header(const PackedHeader& h, int64_t bytes) {
  if (std::memcmp(h.magic, "VQTW", 4) != 0) return "it does not start with VQTW";
  if (h.version != kPackedVersion && h.version != kPackedVersionShortGroups)
    return "it was packed by another version of vqt; pack it again";
  if (h.layout > Layout::kCudaInt8) return "its layout is unknown";
  if (h.n < 1 || h.k < 1 || h.n > kMaxSide || h.k > kMaxSide) return "its sizes are out of range";
  if (h.bits != 4 && h.bits != 8 && h.bits != 16) return "its bits are not 4, 8 or 16";
  if (h.symmetric > 1 || (h.bits == 16 && h.symmetric != 1)) return "its symmetric flag is damaged";
  if (h.granularity > Granularity::kGroup) return "its granularity is unknown";
  const bool groups = h.granularity == Granularity::kGroup;
  if (groups ? h.group_size < 1 || h.group_size > kMaxSide : h.group_size != 0)
    return "its group size is out of range";
  if (h.version == kPackedVersionShortGroups && !has_short_groups(h))
    return "its version does not go with its groups";
  if (h.layout != Layout::kCanonical &&
      (groups_cross_rows(h) ||
       h.layout != (is_for_cuda(h.layout) ? cuda_layout : fast_layout)(h.k, scheme_of(h)))) {
    return "its layout does not go with its scheme";
  }
  if (h.bytes != sections(h).total) return "its size does not follow from its scheme";
  if (bytes < h.bytes) return "it is cut short";
  if (bytes - h.bytes >= h.n) return "it is longer than its header says";
  return nullptr;
}

void pack_head(const PackedHeader& h, const float* scale, const int32_t* zero, uint8_t* block) {
  const PackedSections s = sections(h);
  if (h.layout == Layout::kCanonical) {
    std::memset(block, 0, s.weight);
    std::memcpy(block + s.scale, scale, s.scales * sizeof(float));
    if (zero != nullptr) std::memcpy(block + s.zero, zero, s.scales * sizeof(int32_t));
  } else {
    std::memset(block, 0, h.bytes);  // padding of rows and columns is 0
  }
  std::memcpy(block, &h, sizeof h);
}

void pack_panels(const PackedHeader& h, const void* canonical, const float* scale, const int32_t* zero,
                 int64_t panel_begin, int64_t panel_end, uint8_t* block) {
  const PackedSections s = sections(h);
  const auto* bytes = static_cast<const uint8_t*>(canonical);
  if (h.layout == Layout::kCanonical) {
    const int64_t row_bytes = canonical_bytes(1, h.k, h.bits);
    const int64_t begin = panel_begin * kPanel, end = std::min(panel_end * kPanel, h.n);
    std::memcpy(block + s.weight + begin * row_bytes, bytes + begin * row_bytes, (end - begin) * row_bytes);
    return;
  }
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const auto pack_panel = h.bits == 8 ? pack_panel8 : pack_panel4;
    pack_panel(h, s, bytes, scale, zero, panel, block);
  }
}

void pack(const PackedHeader& h, const void* canonical, const float* scale, const int32_t* zero,
          uint8_t* block) {
  pack_head(h, scale, zero, block);
  pack_panels(h, canonical, scale, zero, 0, (h.n + kPanel - 1) / kPanel, block);
}

void unpack(const uint8_t* block, void* canonical, float* scale, int32_t* zero) {
  const PackedHeader h = read_header(block);
  const PackedSections s = sections(h);
  const int64_t row_bytes = canonical_bytes(1, h.k, h.bits);
  auto* out = static_cast<uint8_t*>(canonical);
  for (int64_t row = 0; row < h.n; ++row) unpack_row(h, s, block, row, out + row * row_bytes);
  for (int64_t i = 0; i < s.scales; ++i) {
    const ScaleZero pair = scale_at(h, s, block, i);
    scale[i] = pair.scale;
    zero[i] = pair.zero;
  }
}

void dequantize_packed(const uint8_t* block, int64_t row_begin, int64_t row_end, float* out) {
  const PackedHeader h = read_header(block);
  const PackedSections s = sections(h);
  const int64_t run = values_per_scale(h.n, h.k, scheme_of(h));
  std::vector<uint8_t> row(canonical_bytes(1, h.k, h.bits));
  for (int64_t r = row_begin; r < row_end; ++r, out += h.k) {
    unpack_row(h, s, block, r, row.data());
    for (int64_t k = 0; k < h.k;) {
      const int64_t index = (r * s.width + k) / run;
      const int64_t count = std::min((index + 1) * run - r * s.width, h.k) - k;
      const ScaleZero pair = scale_at(h, s, block, index);
      dequantize_values(row.data(), k, count, h.bits, h.symmetric != 0, pair.scale, pair.zero, out + k);
      k += count;
    }
  }
}

}  // namespace vqt::cpu
