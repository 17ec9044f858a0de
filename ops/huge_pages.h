// Fresh results of many megabytes on huge pages.
#pragma once

#include <ATen/core/Tensor.h>

namespace vqt {

// A fresh result of many megabytes costs a page fault for each 4 KiB, up to half of the time of a convolution: huge
// pages, where the system has them. y: contiguous in some order of its dimensions, not yet written.
void use_huge_pages(const at::Tensor& y);

}  // namespace vqt
