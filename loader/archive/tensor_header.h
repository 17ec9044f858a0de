// The header of a tensor file: what reader and writer share. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loader/archive/tensor_file.h"

namespace vqt {

constexpr uint64_t kLengthBytes = 8;
constexpr const char* kMetadataKey = "__metadata__";
constexpr const char* kChecksumKey = "crc32";  // of the metadata: {"name": number, ...} as text

// 0: no such dtype.
uint64_t dtype_bytes(const std::string& dtype);
std::string dtype_names();

// Length and JSON, padded with spaces to at least that many bytes and to a multiple of 8.
std::string tensor_header(const std::vector<TensorEntry>& tensors, const TensorMetadata& metadata,
                          uint64_t least_bytes);

}  // namespace vqt
