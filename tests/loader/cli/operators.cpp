// A library as other projects have: an operator, and a class, that torch does not know.
#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>
#include <torch/library.h>

namespace {

struct Factor : torch::CustomClassHolder {
  double value() const { return 2; }
};

at::Tensor twice(const at::Tensor& x) { return x.mul(2); }

}  // namespace

TORCH_LIBRARY(thirdparty, m) {
  m.def("twice(Tensor x) -> Tensor");
  m.class_<Factor>("Factor").def(torch::init<>()).def("value", [](const c10::intrusive_ptr<Factor>& f) {
    return f->value();
  });
}

TORCH_LIBRARY_IMPL(thirdparty, CPU, m) { m.impl("twice", &twice); }
