// Archives written and read again, and what is refused before torch sees it.
#include "vqt/archive.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <torch/csrc/jit/serialization/export.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "loader/archive/zip_directory.h"
#include "tests/loader/archive/zip_builder.h"
#include "tests/temporary_folder.h"
#include "vqt/atomic_file.h"

namespace vqt {
namespace {

using ::testing::HasSubstr;

torch::jit::Module scale_module(int64_t size = 8) {
  torch::jit::Module module("Scale");
  module.register_parameter("weight", at::arange(size, at::kFloat), false);
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define("def forward(self, x):\n    return x * self.weight\n");
  return module;
}

Report one_site_report() {
  Report report;
  SiteReport site;
  site.name = "block.fc";
  site.n = 3;
  site.k = 5;
  site.action = "quantized";
  site.scheme = "w8a8";
  site.calls = 2;
  site.bytes_before = 60;
  site.bytes_after = 27;
  site.weight_sqnr_db = 41.5;
  report.sites.push_back(site);
  site.name = "exact";
  site.weight_sqnr_db = std::numeric_limits<double>::infinity();
  report.sites.push_back(site);
  return report;
}

std::string saved(const TemporaryFolder& folder, const std::map<std::string, std::string>& extra = {}) {
  const std::string path = folder / "model.pt";
  save_archive(scale_module(), extra, one_site_report(), path);
  return path;
}

template <typename F>
std::string message_of(const F& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// The archive taken apart and put together again with one record changed (its CRC-32 with it); "" drops it.
std::string with_record(const TemporaryFolder& folder, const std::string& path, const std::string& name,
                        const std::string& content) {
  const InputFile file(path);
  const ZipDirectory zip = read_zip_directory(file);
  Zip out;
  for (const ZipRecord& r : zip.records) {
    if (r.name == name && content.empty()) continue;
    out.entries.push_back(entry("model/" + r.name, r.name == name ? content : read_record(file, r, 1 << 20)));
  }
  if (!zip.find(name)) out.entries.push_back(entry("model/" + name, content));
  return folder.write("changed.pt", out.build());
}

std::string vqt_json_of(const std::string& path) {
  const InputFile file(path);
  return read_record(file, *read_zip_directory(file).find("extra/vqt.json"), 1 << 20);
}

TEST(Archive, ComesBackWithValuesAndExtraFiles) {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> extra = {
      {"notes.txt", "hello"}, {"bytes", std::string("\0\xff\n\0", 4)}, {"empty", ""}};
  const std::string path = saved(folder, extra);
  Archive archive = load_archive(path);
  EXPECT_EQ(archive.extra, extra);
  EXPECT_EQ(static_cast<size_t>(archive.file_bytes), read_text(path).size());
  EXPECT_FALSE(archive.module.is_training());
  EXPECT_TRUE(
      at::equal(archive.module.forward({at::full({8}, 2.0)}).toTensor(), at::arange(8, at::kFloat) * 2));
}

TEST(Archive, VqtJsonIsTheLastRecordAndListsEveryOther) {
  const TemporaryFolder folder;
  const InputFile file(saved(folder, {{"notes.txt", "hello"}}));
  const ZipDirectory zip = read_zip_directory(file);
  EXPECT_EQ(zip.records.back().name, "extra/vqt.json");
  for (const ZipRecord& r : zip.records) EXPECT_LE(r.header_offset, zip.records.back().header_offset);
  const auto json = nlohmann::json::parse(read_record(file, zip.records.back(), 1 << 20));
  EXPECT_EQ(json.at("version"), 1);
  EXPECT_EQ(json.at("versions").at("torch").get<std::string>().substr(0, 4), "2.11");
  EXPECT_EQ(json.at("config").at("quant_type"), "int8_per_channel_sym");
  EXPECT_EQ(json.at("checksums").size(), zip.records.size() - 1);
  for (const auto& [name, hex] : json.at("checksums").items()) {
    const std::string content = read_record(file, *zip.find(name), 1 << 20);
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    EXPECT_EQ(std::stoul(hex.get<std::string>(), nullptr, 16), crc) << name;
  }
  const auto& site = json.at("sites").at(0);
  EXPECT_EQ(site.at("name"), "block.fc");
  EXPECT_EQ(site.at("shape"), (nlohmann::json{3, 5}));
  EXPECT_EQ(site.at("action"), "quantized");
  EXPECT_EQ(site.at("scheme"), "w8a8");
  EXPECT_EQ(site.at("calls"), 2);
  EXPECT_EQ(site.at("bytes_before"), 60);
  EXPECT_EQ(site.at("bytes_after"), 27);
  EXPECT_EQ(site.at("weight_sqnr_db"), 41.5);
  EXPECT_TRUE(json.at("sites").at(1).at("weight_sqnr_db").is_null());
}

TEST(Archive, AStaleVqtJsonAmongTheExtraFilesIsReplaced) {
  const TemporaryFolder folder;
  const Archive archive = load_archive(saved(folder, {{"vqt.json", "stale"}}));
  EXPECT_TRUE(archive.extra.empty());
  ASSERT_TRUE(archive.report);
  EXPECT_EQ(archive.report->sites.size(), 2U);
}

TEST(Archive, EveryDamagedByteOfARecordIsFound) {
  const TemporaryFolder folder;
  const std::string path = saved(folder), bytes = read_text(path);
  const ZipDirectory zip = read_zip_directory(InputFile(path));
  int flips = 0;
  for (const ZipRecord& r : zip.records) {
    for (uint64_t i = 0; i < r.stored_size; i += 7, ++flips) {
      std::string damaged = bytes;
      damaged[r.data_offset + i] ^= 0x10;
      const std::string damaged_path = folder.write("damaged.pt", damaged);
      EXPECT_THAT(message_of([&] { check_archive(damaged_path); }), HasSubstr(r.name)) << i;
    }
  }
  EXPECT_GT(flips, 100);
}

TEST(Archive, CutShortAnywhereIsRefused) {
  const TemporaryFolder folder;
  const std::string bytes = read_text(saved(folder));
  for (size_t size = 0; size < bytes.size(); size += 5) {
    const std::string path = folder.write("cut.pt", bytes.substr(0, size));
    EXPECT_NE(message_of([&] { load_archive(path); }), "") << size;
  }
}

TEST(Archive, AReplacedRecordDoesNotMatchVqtJson) {
  const TemporaryFolder folder;
  const std::string path = saved(folder);
  EXPECT_EQ(message_of([&] { check_archive(with_record(folder, path, "extra/unused", "x")); }),
            folder / "changed.pt" + ": extra/unused: the record is not listed in vqt.json");
  EXPECT_THAT(message_of([&] { check_archive(with_record(folder, path, "constants.pkl", "other")); }),
              HasSubstr("constants.pkl: vqt.json lists the CRC-32 "));
  EXPECT_THAT(message_of([&] { check_archive(with_record(folder, path, "byteorder", "")); }),
              HasSubstr("byteorder: the record is listed in vqt.json and missing"));
}

TEST(Archive, VqtJsonOfAnotherVersionOrDamagedIsRefused) {
  const TemporaryFolder folder;
  const std::string path = saved(folder), good = vqt_json_of(path);
  const auto with_json = [&](const std::string& text) {
    return message_of([&] { check_archive(with_record(folder, path, "extra/vqt.json", text)); });
  };
  auto json = nlohmann::json::parse(good);
  json["version"] = 2;
  EXPECT_THAT(with_json(json.dump()),
              HasSubstr("vqt.json: version 2: written by a newer vqt, this one reads up to 1"));
  json["version"] = "1";
  EXPECT_THAT(with_json(json.dump()), HasSubstr("vqt.json: version: expected 1, got \"1\""));
  json = nlohmann::json::parse(good);
  json["checksums"]["data.pkl"] = "12";
  EXPECT_THAT(with_json(json.dump()),
              HasSubstr("checksums: data.pkl: expected 8 hexadecimal digits, got \"12\""));
  EXPECT_THAT(with_json(good.substr(0, good.size() / 2)), HasSubstr("vqt.json is not what vqt writes"));
  EXPECT_THAT(with_json("[]"), HasSubstr("vqt.json is not what vqt writes"));
  EXPECT_THAT(with_json(std::string(100000, '[')), HasSubstr("vqt.json is not what vqt writes"));
}

TEST(Archive, OtherZipsAndTorchFilesAreNamed) {
  const TemporaryFolder folder;
  const auto with = [&](std::vector<Entry> entries) {
    Zip zip;
    zip.entries = std::move(entries);
    const std::string path = folder.write("other.pt", zip.build());
    return message_of([&] { load_archive(path); });
  };
  EXPECT_THAT(
      with({entry("m/data.pkl", "x"), entry("m/version", "3\n")}),
      HasSubstr("a checkpoint written by torch.save: weights without a program; expected a TorchScript file. "
                "Write a TorchScript file from the model in Python first"));
  EXPECT_THAT(with({entry("m/archive_format", "pt2"), entry("m/models/model.json", "{}")}),
              HasSubstr("written by torch.export"));
  EXPECT_THAT(with({entry("m/a", "x"), entry("m/b", "x")}), HasSubstr("got 2 records: a, b"));
  const Entry data = entry("m/data.pkl", "x"), constants = entry("m/constants.pkl", "x");
  EXPECT_THAT(with({data, constants}), HasSubstr("the record version is missing"));
  for (const char* version : {"0", "99", "x", "", "-1", "3 3", "99999999999999999999"}) {
    EXPECT_THAT(with({data, constants, entry("m/version", version)}),
                ::testing::ContainsRegex("version: expected a number from 1 to 10|at most 32 were expected"))
        << version;
  }
  EXPECT_THAT(with({data, constants, entry("m/version", "3"), entry("m/byteorder", "big")}),
              HasSubstr("byteorder: expected little, got \"big\""));
  EXPECT_THAT(with({data, constants, entry("m/version", "3")}), HasSubstr("torch cannot load it: "));
}

TEST(Archive, StructureOnlyLeavesLargeWeightsUnread) {
  const TemporaryFolder folder;
  const int64_t size = 1 << 20;  // 4 MiB
  const std::string path = folder / "model.pt";
  torch::jit::ExportModule(scale_module(size), path);
  std::string bytes = read_text(path);
  const ZipRecord data = *read_zip_directory(InputFile(path)).find("data/0");
  bytes[data.data_offset + data.size - 1] ^= 1;
  const std::string damaged = folder.write("damaged.pt", bytes);
  EXPECT_THAT(message_of([&] { load_archive(damaged); }), HasSubstr("data/0: expected CRC-32"));
  const Archive archive = load_archive(damaged, {/*structure_only=*/true, {}});
  const at::Tensor weight = archive.module.attr("weight").toTensor();
  EXPECT_EQ(weight.numel(), size);
  const int64_t head = (64 << 10) / 4;
  EXPECT_TRUE(at::equal(weight.slice(0, 0, head), at::arange(head, at::kFloat)));
  EXPECT_FALSE(at::equal(weight, at::arange(size, at::kFloat)));
}

TEST(SaveArchive, LeavesTheOldFileWholeWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.pt", "old");
  struct rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit tight = {100 << 10, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  const std::string message =
      message_of([&] { save_archive(scale_module(1 << 20), {}, one_site_report(), path); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(message, path + ": writing failed after 102400 bytes: File too large");
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(AtomicFile, ReplacesOnlyOnCommit) {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", "old");
  ::chmod(path.c_str(), 0640);
  {
    AtomicFile file(path);
    file.append("half");
    EXPECT_EQ(read_text(path), "old");
  }
  EXPECT_EQ(read_text(path), "old");
  AtomicFile file(path);
  file.append("new and longer");
  file.truncate(3);
  file.append("!");
  file.commit();
  EXPECT_EQ(read_text(path), "new!");
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0640));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(AtomicFile, WritesThroughALink) {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", "old");
  std::filesystem::create_symlink(path, folder / "link");
  AtomicFile file(folder / "link");
  file.append("new");
  file.commit();
  EXPECT_EQ(read_text(path), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
}

TEST(AtomicFile, SaysWhyItCannotWrite) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of([&] { AtomicFile file(folder / "no/f"); }),
            folder / "no/f" + ": the folder " + (folder / "no") + " does not exist");
  EXPECT_THAT(message_of([&] { AtomicFile file(folder.path().string()); }),
              HasSubstr("cannot be replaced: it is a folder"));
  EXPECT_THAT(message_of([&] { AtomicFile file("/dev/null"); }),
              HasSubstr("cannot be replaced: not a regular file"));
  const std::string file = folder.write("file", "");
  EXPECT_EQ(message_of([&] { AtomicFile below(file + "/f"); }), file + "/f: " + file + " is not a folder");
}

TEST(TryOutput, SaysWhatWritingWouldSayAndLeavesNothing) {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", "old");
  try_output(path, 3);
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  EXPECT_THAT(message_of([&] { try_output(folder / "no/f"); }), HasSubstr("no does not exist"));
  EXPECT_THAT(message_of([&] { try_output(folder / "g", uint64_t{1} << 60); }),
              testing::MatchesRegex(
                  ".*/g: about 1152921504606846976 bytes are to be written, [0-9]+ are free in .*"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace vqt
