#include "ops/linear_args.h"

#include "ops/quantize_activation.h"

namespace vqt {
namespace {

// x's dtype, and what it rules out.
void check_x_kind(std::string_view op, const at::Tensor& x, const ActivationSchemaArgs& activation) {
  if (x.dim() == 0) fail_value(op, "x", "at least 1 dimension", describe(x));
  if (!is_quantized_activation(x)) return check_float(op, "x", x);
  if (activation.activation != "dynamic" || activation.symmetric) {
    fail_value(op, activation.symmetric ? "activation_symmetric" : "activation",
               "its default with a quantized x, which stores its own",
               activation.symmetric ? "true" : quoted(activation.activation));
  }
}

}  // namespace

LinearInputs check_linear(std::string_view op, int64_t n, const LinearSchemaArgs& args) {
  LinearInputs inputs;
  inputs.activation = check_activation_args(op, args.activation);
  check_x_kind(op, args.x, args.activation);
  inputs.quantized_x = is_quantized_activation(args.x);
  inputs.rows = check_rows(op, args.row_begin, args.row_end, n);
  check_bias(op, args.bias, inputs.rows.size());
  inputs.bias = args.bias;
  c10::SymDimVector sizes(args.x.sym_sizes());
  sizes.back() = inputs.rows.size();
  inputs.epilogue = check_epilogue_args(op, args.x, std::move(sizes), args.epilogue);
  return inputs;
}

at::Tensor linear_meta(std::string_view op, const LinearSchemaArgs& args) {
  const int64_t n = args.weight.sym_size(0).guard_int(__FILE__, __LINE__);
  const EpilogueArgs result = check_linear(op, n, args).epilogue;
  return args.x.new_empty_symint(result.sizes, result.dtype);
}

}  // namespace vqt
