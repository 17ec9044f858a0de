// vqt._C: the C++ entry points for Python. The package around it (python/vqt) gives them their Python faces.
#include <c10/util/Exception.h>
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/python/pybind_utils.h>

#include "vqt/archive.h"
#include "vqt/error_text.h"
#include "vqt/fields.h"
#include "vqt/low_memory.h"
#include "vqt/nearest.h"
#include "vqt/preset_note.h"
#include "vqt/quantize.h"

namespace py = pybind11;

namespace vqt {
namespace {

using torch::jit::Module;

// One input of an iterable -> forward's arguments: a tensor (or any other value) alone, or a tuple
// or list of them.
std::vector<c10::IValue> to_arguments(const std::string& name, const c10::FunctionSchema& forward,
                                      const py::handle& item) {
  const bool several = py::isinstance<py::tuple>(item) || py::isinstance<py::list>(item);
  const py::tuple values =
      several ? py::tuple(py::reinterpret_borrow<py::object>(item)) : py::make_tuple(item);
  const size_t parameters = forward.arguments().size() - 1;  // without self
  if (values.size() > parameters) {
    throw py::type_error("vqt.quantize: " + name + ": expected at most " + std::to_string(parameters) +
                         " arguments of forward, got " + std::to_string(values.size()));
  }
  std::vector<c10::IValue> arguments;
  for (size_t i = 0; i < values.size(); ++i) {
    const c10::Argument& parameter = forward.arguments()[i + 1];
    try {
      arguments.push_back(torch::jit::toIValue(values[i], parameter.real_type(), parameter.N()));
    } catch (const py::cast_error&) {
      throw py::type_error("vqt.quantize: " + name + ": forward's argument " + parameter.name() +
                           ": expected " + parameter.type()->repr_str() + ", got " +
                           Py_TYPE(py::object(values[i]).ptr())->tp_name);
    }
  }
  return arguments;
}

// Inputs out of a Python iterable. The result is called without the GIL and destroyed with it.
InputSource to_source(const std::string& name, const Module& module, const py::object& iterable) {
  if (iterable.is_none()) return nullptr;
  return [name, forward = module.get_method("forward").function().getSchema(), iterator = py::iter(iterable),
          next = 0](std::vector<c10::IValue>& arguments) mutable {
    const py::gil_scoped_acquire gil;
    const auto item = py::reinterpret_steal<py::object>(PyIter_Next(iterator.ptr()));
    if (PyErr_Occurred()) throw py::error_already_set();
    if (!item) return false;
    const std::string label = name == "calibration" ? name + "[" + std::to_string(next++) + "]" : name;
    arguments = to_arguments(label, forward, item);
    return true;
  };
}

// Also where Ctrl-C gets in: the work itself runs without the GIL.
Progress to_progress(const py::object& callback) {
  return [&callback](const std::string& stage, int64_t done, int64_t total) {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!callback.is_none()) callback(stage, done, total);
  };
}

std::pair<Module, Report> quantize_module(const Module& module, const QuantizationConfig& config,
                                          const py::object& calibration, const py::object& inputs,
                                          const py::object& progress, bool speed_guard) {
  QuantizeOptions options;
  options.calibration = to_source("calibration", module, calibration);
  options.measure = to_source("inputs", module, inputs);
  options.progress = to_progress(progress);
  options.speed_guard = speed_guard;
  std::pair<Module, Report> result;
  try {
    const py::gil_scoped_release release;
    result.first = quantize(module, config, result.second, options);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& e) {  // "vqt::quantize: calibration[0]: ..."
    const std::string text = e.what(), cpp = "vqt::quantize";
    throw Error(text.rfind(cpp, 0) == 0 ? "vqt.quantize" + text.substr(cpp.size()) : text);
  }
  return result;
}

Report describe(const Module& module, const std::optional<QuantizationConfig>& config) {
  Report report;
  if (config) report.config = *config;
  report.sites = describe_sites(module, config ? &*config : nullptr);
  if (is_quantized(module)) report.warnings.emplace_back(kWithoutTable);
  return report;
}

py::tuple load(const std::string& path) {
  std::optional<Archive> archive;
  {
    const py::gil_scoped_release release;
    archive = load_archive(path);
  }
  py::dict extra;
  for (const auto& [name, text] : archive->extra) extra[py::str(name)] = py::bytes(text);
  return py::make_tuple(archive->module, extra, archive->report);
}

void save(const Module& module, const std::map<std::string, py::bytes>& extra, const Report& report,
          const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& [name, content] : extra) files[name] = content;
  const py::gil_scoped_release release;
  save_archive(module, files, report, path);
}

void bind_config(py::module_& m) {
  py::class_<FieldInfo>(m, "FieldInfo")
      .def_readonly("name", &FieldInfo::name)
      .def_readonly("alias", &FieldInfo::alias)
      .def_readonly("kind", &FieldInfo::kind)
      .def_readonly("initial", &FieldInfo::initial)
      .def_readonly("allowed", &FieldInfo::allowed)
      .def_readonly("help", &FieldInfo::help);
  m.def("config_fields", &config_fields);
  m.def("preset_names", &preset_names);
  m.def("nearest_name", &nearest_name);
  m.def("preset_note", &preset_note, py::arg("name"));
  py::class_<QuantizationConfig>(m, "Config")
      .def_static("from_json", &QuantizationConfig::from_json, py::arg("text"), py::arg("source"))
      .def_static("from_file", &QuantizationConfig::from_file, py::arg("path"))
      .def_static("preset", &QuantizationConfig::preset, py::arg("name"))
      .def("to_json", &QuantizationConfig::to_json, py::arg("indent"))
      .def("replace",
           [](QuantizationConfig config, const std::string& json, const std::string& source) {
             replace_fields(config, json, source);
             return config;
           })
      .def("values", &resolved_json)
      .def("display_name", &QuantizationConfig::display_name);
}

// Each field as a read-only property.
struct SiteBinding {
  py::class_<SiteReport> site;
  std::vector<std::string> names;

  void operator()(const char* name, int64_t SiteReport::*n, int64_t SiteReport::*k) {
    names.emplace_back(name);
    site.def_property_readonly(name, [=](const SiteReport& s) { return std::make_pair(s.*n, s.*k); });
  }
  template <class T>
  void operator()(const char* name, T SiteReport::*member, InJson) {
    names.emplace_back(name);
    site.def_readonly(name, member);
  }
};

void bind_report(py::module_& m) {
  SiteBinding binding{py::class_<SiteReport>(m, "Site"), {}};
  visit_site_fields(binding);
  m.attr("SITE_FIELDS") = py::tuple(py::cast(binding.names));
  py::class_<Report>(m, "Report")
      .def_readonly("config", &Report::config)
      .def_readonly("sites", &Report::sites)
      .def_property_readonly("fusions_made",
                             [](const Report& r) {
                               std::vector<std::pair<std::string, int64_t>> made;
                               for (const FusionCount& fusion : r.fusions_made)
                                 made.emplace_back(fusion.name, fusion.made);
                               return made;
                             })
      .def_property_readonly("fusions_left",
                             [](const Report& r) {
                               std::vector<std::pair<std::string, std::map<std::string, int64_t>>> left;
                               for (const FusionCount& fusion : r.fusions_made)
                                 if (!fusion.left.empty()) left.emplace_back(fusion.name, fusion.left);
                               return left;
                             })
      .def_readonly("warnings", &Report::warnings);
}

void translate_torch_errors(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const c10::Error& e) {  // the sentence, without forty frames of C++
    PyErr_SetString(PyExc_RuntimeError, error_text(e).c_str());
  }
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  py::register_local_exception_translator(&translate_torch_errors);
  const py::object error = py::register_exception<Error>(m, "Error", PyExc_RuntimeError);
  py::register_exception<UnknownOperatorError>(m, "UnknownOperatorError", error);
  m.attr("ArchiveError") = error;
  m.attr("QuantizeError") = error;
  py::register_exception<UsageError>(m, "ConfigError",
                                     PyExc_ValueError);  // after Error, so it is tried first
  bind_config(m);
  bind_report(m);
  m.def("quantize", &quantize_module);
  m.def("describe", &describe);
  m.def("is_quantized", &is_quantized);
  m.def("repack", [](Module module, Report* report) {
    return report == nullptr ? repack(module) : repack(module, *report);
  });
  m.def("load", &load);
  m.def("save", &save);
  m.def("low_memory", &low_memory);
}

}  // namespace vqt
