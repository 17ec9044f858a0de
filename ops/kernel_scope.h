// Every kernel that calls other torch ops holds one. x may require grad (a model run without no_grad), or run
// under autocast. Neither may act inside a kernel: autograd rejects out= arguments, autocast changes dtypes.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace vqt {

struct KernelScope {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  c10::impl::ExcludeDispatchKeyGuard no_autocast{c10::autocast_dispatch_keyset};
};

}  // namespace vqt
