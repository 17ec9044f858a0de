#include "evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>

#include "environment.h"
#include "images.h"
#include "job.h"
#include "process.h"
#include "tensor_file.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr double kShortMs = 50;  // scenes below it vary by themselves

std::string shape_text(const at::Tensor& t) {
  return fmt::format("[{}]", fmt::join(t.sizes().begin(), t.sizes().end(), ", "));
}

// Runs one job in a process of its own and waits for it.
JobResult run_job(Job job, const TempFolder& temp, Console& console, const std::string& title) {
  job.result = temp.file("result.json");
  fs::remove(job.result);
  const std::string job_path = temp.file("job.json");
  std::ofstream(job_path) << nlohmann::json(job).dump(-1, ' ', false,
                                                      nlohmann::json::error_handler_t::replace);
  console.start(title);
  const int code = run_self(
      {"--vqt_worker", job_path},
      [&](const std::string& line) {
        const auto progress = nlohmann::json::parse(line);
        console.update(progress.at("done"), progress.at("total"));
      },
      [&] { console.tick(); });
  std::ifstream file(job.result);
  if (!file) {
    std::string why = fmt::format("its process ended with exit code {}", code);
    if (code > 128) why = fmt::format("its process was ended by signal {}", code - 128);
    if (code == 128 + 9)
      why += ", probably because memory ran out; fewer pictures a forward (--frames) need less";
    throw EvalError(fmt::format("{}: {}", title, why), 1);
  }
  const JobResult result = nlohmann::json::parse(file).get<JobResult>();
  if (!result.error.empty()) throw EvalError(result.error, result.exit_code);
  console.finish();
  return result;
}

Cost cost_of(const JobResult& result, int64_t pictures) {
  return {result.file_bytes, result.ms / static_cast<double>(pictures), result.all_ms, result.warmup,
          result.peak_memory_bytes};
}

// What a reader of the times has to know: fewer forwards than asked for, or forwards that differ much.
std::optional<std::string> timing_note(const JobResult& result, const Options& options) {
  if (static_cast<int64_t>(result.all_ms.size()) != options.runs || result.warmup != options.warmup) {
    return fmt::format("timed by one forward of the scene without warm-up, as it takes {}",
                       duration_text(result.ms / 1e3));
  }
  const auto [least, most] = std::minmax_element(result.all_ms.begin(), result.all_ms.end());
  if (*most < 1.5 * *least || *most < kShortMs) return {};
  return fmt::format(
      "its timed forwards took from {:.0f} to {:.0f} ms: the machine was busy with something else, measure "
      "again",
      *least, *most);
}

at::Tensor values_of(const at::Tensor& t) { return t.to(at::kDouble).contiguous(); }

OutputInfo describe_output(const std::string& path, const at::Tensor& tensor) {
  const at::Tensor values = values_of(tensor);
  OutputInfo info{path, tensor.sizes().vec(), 0, 0};
  bool any = false;
  for (const double* v = values.data_ptr<double>(); v != values.data_ptr<double>() + values.numel(); ++v) {
    if (!std::isfinite(*v)) continue;
    info.low = any ? std::min(info.low, *v) : *v;
    info.high = any ? std::max(info.high, *v) : *v;
    any = true;
  }
  return info;
}

const at::Tensor* find(const NamedTensors& tensors, const std::string& path) {
  for (const auto& [name, tensor] : tensors) {
    if (name == path) return &tensor;
  }
  return nullptr;
}

std::string names_of(const NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

void compare_outputs(const NamedTensors& reference, const NamedTensors& got, ModelResult& model) {
  for (const auto& [path, tensor] : got) {
    if (!find(reference, path)) {
      throw EvalError(
          fmt::format("{}: returns an output {} that the reference does not have; the reference returns {}",
                      model.name, path, names_of(reference)),
          1);
    }
  }
  for (const auto& [path, expected] : reference) {
    const at::Tensor* tensor = find(got, path);
    if (!tensor) {
      throw EvalError(fmt::format("{}: does not return the output {} that the reference has; it returns {}",
                                  model.name, path, names_of(got)),
                      1);
    }
    if (tensor->sizes() != expected.sizes()) {
      throw EvalError(fmt::format("{}: output {}: expected {} as the reference returns, got {}", model.name,
                                  path, shape_text(expected), shape_text(*tensor)),
                      1);
    }
    const at::Tensor r = values_of(expected), c = values_of(*tensor);
    model.outputs.emplace_back(path, compare(r.data_ptr<double>(), c.data_ptr<double>(), r.numel()));
    const Metrics& m = model.outputs.back().second;
    if (m.nonfinite > 0 || m.nonfinite_in_reference > 0) {
      model.notes.push_back(
          fmt::format("output {}: {} values are NaN or Inf ({} in the reference); metrics leave them out",
                      path, m.nonfinite, m.nonfinite_in_reference));
    }
  }
}

// The output that depth maps are drawn of: named depth, one value a pixel of every picture.
const std::pair<std::string, at::Tensor>* depth_output(const NamedTensors& outputs, const Images& images) {
  const int64_t pixels = images.frames.numel() / 3;
  for (const auto& output : outputs) {
    const std::string last = output.first.substr(output.first.rfind('.') + 1);
    if (last == "depth" && output.second.numel() == pixels) return &output;
  }
  return nullptr;
}

std::vector<float> plane(const at::Tensor& depth, const Images& images, int64_t frame) {
  const at::Tensor one = depth.reshape({images.count(), -1})[frame].to(at::kFloat).contiguous();
  return {one.data_ptr<float>(), one.data_ptr<float>() + one.numel()};
}

std::vector<DepthFrame> depth_frames(const at::Tensor& depth, const Images& images, int64_t limit) {
  std::vector<DepthFrame> frames;
  for (int64_t i = 0; i < std::min(limit, images.count()); ++i) {
    const at::Tensor photo = images.frames[i].contiguous();
    frames.push_back({images.names[i],
                      i,
                      photo.size(1),
                      photo.size(2),
                      {photo.data_ptr<float>(), photo.data_ptr<float>() + photo.numel()},
                      plane(depth, images, i),
                      {}});
  }
  return frames;
}

void make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw std::runtime_error(fmt::format("{}: cannot be made: {}", folder, error.message()));
}

class Evaluation {
 public:
  Evaluation(const Options& options, Console& console)
      : options_(options), console_(console), temp_(options.output_dir) {}

  EvalReport run() {
    check_archives_exist();
    load_pictures();
    run_reference();
    for (const Candidate& c : options_.candidates) run_candidate(c);
    draw_depth_maps();
    report_.environment = describe_environment(options_.command_line);
    return std::move(report_);
  }

 private:
  // A name typed wrong shows before the first forward.
  void check_archives_exist() const {
    std::vector<std::string> paths = {options_.reference};
    for (const Candidate& c : options_.candidates) {
      if (c.source == "model") paths.push_back(c.path);
    }
    for (const std::string& path : paths) {
      if (!fs::is_regular_file(path)) {
        throw std::runtime_error(
            fmt::format("{}: {}", path, fs::exists(path) ? "is no regular file" : "no such file"));
      }
    }
  }

  void load_pictures() {
    const ImageList list = list_images(options_.image_folder, options_.max_images);
    if (list.from_subfolder) {
      report_.notes.push_back(fmt::format("no pictures directly in {}; used its subfolder {}",
                                          options_.image_folder, list.folder));
      console_.note(report_.notes.back());
    }
    console_.start("pictures");
    images_ = load_images(list, options_.images, [&](int64_t done, int64_t total) {
      throw_if_interrupted();
      console_.update(done, total);
    });
    console_.finish();
    write_tensors({{"pictures", images_.frames}}, temp_.file("pictures.pt"));
    report_.scene = {list.folder,
                     images_.names,
                     images_.frames.size(2),
                     images_.frames.size(3),
                     nlohmann::json(options_.images.preprocess),
                     nlohmann::json(options_.images.layout),
                     options_.frames > 0 ? std::min(options_.frames, images_.count()) : images_.count()};
  }

  Job job(const std::string& task, const std::string& model, const std::string& output) const {
    Job job;
    job.task = task;
    job.model = job.name = model;
    job.output = temp_.file(output);
    job.pictures = temp_.file("pictures.pt");
    job.images = options_.images;
    job.frames = options_.frames;
    job.warmup = options_.warmup;
    job.runs = options_.runs;
    return job;
  }

  void run_reference() {
    Job work = job("run", options_.reference, "reference.pt");
    for (const Candidate& c : options_.candidates) {
      if (c.source != "model") work.check_configs.emplace_back(c.config.to_json(), c.config.source);
    }
    const JobResult result = run_job(work, temp_, console_, "reference");
    reference_ = read_tensors(work.output);
    report_.reference = {fs::path(options_.reference).stem().string(),
                         options_.reference,
                         cost_of(result, images_.count()),
                         {}};
    for (const auto& [path, tensor] : reference_)
      report_.reference.outputs.push_back(describe_output(path, tensor));
    if (const auto note = timing_note(result, options_)) report_.notes.push_back("reference: " + *note);
    depth_ = depth_output(reference_, images_);
    if (depth_) frames_ = depth_frames(depth_->second, images_, options_.depth_frames);
  }

  void run_candidate(const Candidate& c) {
    ModelResult model{c.name, c.source, c.path, nullptr, nullptr, {}, {}, {}};
    std::string archive = c.path;
    if (c.source != "model") {
      Job work = job("quantize", options_.reference, "quantized.pt");
      work.config = c.config.to_json();
      work.config_source = c.config.source;
      model.notes = run_job(work, temp_, console_, c.name + ": quantize").warnings;
      archive = work.output;
    }
    Job work = job("run", archive, "outputs.pt");
    work.given = c.source == "model";
    if (!work.given) work.name = c.name;
    const JobResult result = run_job(work, temp_, console_, c.name);
    if (c.source != "model") fs::remove(archive);
    model.cost = cost_of(result, images_.count());
    if (!result.vqt_json.empty()) {
      const Json table = Json::parse(result.vqt_json);
      model.config = table.value("config", Json());
      model.sites = table.value("sites", Json());
    }
    if (const auto note = timing_note(result, options_)) model.notes.push_back(*note);
    const NamedTensors outputs = read_tensors(work.output);
    compare_outputs(reference_, outputs, model);
    for (DepthFrame& frame : frames_) {
      frame.models.emplace_back(c.name, plane(*find(outputs, depth_->first), images_, frame.index));
    }
    for (const std::string& note : model.notes) console_.warn(c.name + ": " + note);
    report_.models.push_back(std::move(model));
    throw_if_interrupted();
  }

  void draw_depth_maps() {
    if (frames_.empty()) return;
    console_.start("depth maps");
    for (const DepthFrame& frame : frames_) {
      throw_if_interrupted();
      report_.depth_maps.push_back(draw_depth(frame, depth_->first, report_.reference.name));
      console_.update(static_cast<int64_t>(report_.depth_maps.size()), static_cast<int64_t>(frames_.size()));
    }
    console_.finish();
  }

  const Options& options_;
  Console& console_;
  TempFolder temp_;
  EvalReport report_;
  Images images_;
  NamedTensors reference_;
  const std::pair<std::string, at::Tensor>* depth_ = nullptr;
  std::vector<DepthFrame> frames_;
};

}  // namespace

EvalReport evaluate(const Options& options, Console& console) {
  make_folder(options.output_dir);
  return Evaluation(options, console).run();
}

}  // namespace vqt
