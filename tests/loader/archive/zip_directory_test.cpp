// Hand-written zips, one error each; every truncation and every flipped bit of a small one.
#include "loader/archive/zip_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/loader/archive/zip_builder.h"
#include "tests/temporary_folder.h"

namespace vqt {
namespace {

using ::testing::HasSubstr;

Zip good_zip() {
  Zip zip;
  zip.entries = {entry("m/data.pkl", "pickle"), entry("m/data/0", std::string(1000, '\x7f')),
                 entry("m/code/a.py", std::string(3000, 'x'), /*deflate=*/true), entry("m/version", "3\n"),
                 entry("m/empty", "")};
  return zip;
}

// The message read_zip_directory or verify_records throws; "" where both accept the bytes.
std::string message(const std::string& bytes, ZipDirectory* zip = nullptr) {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.pt", bytes);
  try {
    const InputFile file(path);
    const ZipDirectory read = read_zip_directory(file);
    verify_records(file, read);
    if (zip) *zip = read;
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_EQ(text.rfind(path + ": ", 0), 0u) << text;
    return text.substr(path.size() + 2);
  }
  return "";
}

TEST(ZipDirectory, ReadsStoredDeflatedAndEmptyRecords) {
  ZipDirectory zip;
  const std::string bytes = good_zip().build();
  ASSERT_EQ(message(bytes, &zip), "");
  EXPECT_EQ(zip.top, "m");
  EXPECT_EQ(zip.file_bytes, bytes.size());
  ASSERT_EQ(zip.records.size(), 5u);
  EXPECT_EQ(zip.records[0].data_offset, 30u + 10u);
  EXPECT_EQ(bytes.substr(zip.find("data/0")->data_offset, 4), "\x7f\x7f\x7f\x7f");
  EXPECT_EQ(zip.find("code/a.py")->size, 3000u);
  EXPECT_LT(zip.find("code/a.py")->stored_size, 100u);
  EXPECT_TRUE(zip.has_folder("code/"));
  EXPECT_FALSE(zip.has_folder("codes/"));
  EXPECT_EQ(zip.find("m/data.pkl"), nullptr);
}

TEST(ZipDirectory, ReadRecordInflates) {
  const TemporaryFolder folder;
  const InputFile file(folder.write("model.pt", good_zip().build()));
  const ZipDirectory zip = read_zip_directory(file);
  EXPECT_EQ(read_record(file, *zip.find("code/a.py"), 3000), std::string(3000, 'x'));
  EXPECT_EQ(read_record(file, *zip.find("data.pkl"), 6), "pickle");
  EXPECT_EQ(read_record(file, *zip.find("empty"), 0), "");
  EXPECT_THROW(read_record(file, *zip.find("code/a.py"), 2999), Error);
}

TEST(ZipDirectory, ReadsZip64) {
  Zip zip = good_zip();
  zip.before_end = [](Closing& c) {
    c.wide = true;
    c.records = 0xffff;
    c.directory_bytes = c.directory_offset = 0xffffffff;
  };
  zip.before_directory = [](std::vector<Entry>& entries) {
    Entry& e = entries[1];  // all three in the extra field, behind one that is not ours
    put(e.central_extra, 0x4246, 2), put(e.central_extra, 3, 2), e.central_extra += "abc";
    put(e.central_extra, 1, 2), put(e.central_extra, 24, 2), put(e.central_extra, e.size, 8);
    put(e.central_extra, e.stored, 8), put(e.central_extra, e.offset, 8);
    e.size = e.stored = e.offset = 0xffffffff;
    Entry& f = entries[4];  // the offset alone
    put(f.central_extra, 1, 2), put(f.central_extra, 8, 2), put(f.central_extra, f.offset, 8);
    f.offset = 0xffffffff;
  };
  ZipDirectory read;
  ASSERT_EQ(message(zip.build(), &read), "");
  EXPECT_EQ(read.find("data/0")->size, 1000u);
}

TEST(ZipDirectory, AcceptsACommentAndSizesBehindTheData) {
  Zip zip = good_zip();
  zip.entries[1].flags = zip.entries[1].local_flags = 8;  // as torch writes
  zip.entries[1].local_size = zip.entries[1].local_stored = zip.entries[1].local_crc = 0;
  zip.before_end = [](Closing& c) {
    c.comment_bytes = 5;
    c.tail = "hello";
  };
  EXPECT_EQ(message(zip.build()), "");
}

struct BadZip {
  const char* name;
  std::function<void(Zip&)> spoil;
  const char* expected;
};

void PrintTo(const BadZip& bad, std::ostream* out) { *out << bad.name; }

class BadZips : public ::testing::TestWithParam<BadZip> {};

TEST_P(BadZips, AreRefused) {
  Zip zip = good_zip();
  GetParam().spoil(zip);
  EXPECT_THAT(message(zip.build()), HasSubstr(GetParam().expected));
}

template <typename F>
std::function<void(Zip&)> central(F change) {
  return [change](Zip& zip) { zip.before_directory = change; };
}
template <typename F>
std::function<void(Zip&)> end(F change) {
  return [change](Zip& zip) { zip.before_end = change; };
}
std::function<void(Zip&)> named(const std::string& name) {
  return [name](Zip& zip) { zip.entries[1].name = zip.entries[1].local_name = name; };
}
using Entries = std::vector<Entry>;

INSTANTIATE_TEST_SUITE_P(
    OneErrorEach, BadZips,
    ::testing::Values(
        BadZip{"size_past_end", central([](Entries& e) { e[1].size = e[1].stored = 4194304; }),
               "m/data/0: the zip directory says 4194304 bytes, the file's data ends after "},
        BadZip{"offset_past_end", central([](Entries& e) { e[1].offset = 999999; }),
               "m/data/0: the zip directory puts it at offset 999999, the data ends at "},
        BadZip{"offset_off_by_one", central([](Entries& e) { e[1].offset += 1; }),
               "m/data/0: no local header at offset "},
        BadZip{"wrong_size", central([](Entries& e) { e[1].size = e[1].stored = 999; }),
               "m/data/0: 999 bytes (999 stored), CRC-32 "},
        BadZip{"stored_differs", central([](Entries& e) { e[1].size = 999; }),
               "m/data/0: not compressed, yet 999 bytes are stored as 1000"},
        BadZip{"bomb", central([](Entries& e) { e[2].size = 0x7fffffff; }),
               "inflate to 2147483647, more than deflate can reach"},
        BadZip{"method", [](Zip& z) { z.entries[1].method = z.entries[1].local_method = 12; },
               "m/data/0: compression method 12; expected 0 (stored) or 8 (deflate)"},
        BadZip{"method_differs", [](Zip& z) { z.entries[1].local_method = 8; },
               "m/data/0: compression 0 in the zip directory, 8 in the local header"},
        BadZip{"encrypted", [](Zip& z) { z.entries[1].flags = 1; }, "m/data/0: the record is encrypted"},
        BadZip{"flags_differ", [](Zip& z) { z.entries[1].local_flags = 8; },
               "m/data/0: flags 0x0 in the zip directory, 0x8"},
        BadZip{"local_name", [](Zip& z) { z.entries[1].local_name = "m/data/9"; },
               "m/data/0: its local header names it m/data/9"},
        BadZip{"local_signature", [](Zip& z) { z.entries[1].local_signature = 7; },
               "m/data/0: no local header at offset"},
        BadZip{"zip64_missing", central([](Entries& e) { e[1].size = 0xffffffff; }),
               "m/data/0: its zip64 sizes are missing"},
        BadZip{"zip64_short", central([](Entries& e) {
                 e[1].size = 0xffffffff;
                 put(e[1].central_extra, 1, 2), put(e[1].central_extra, 4, 2), put(e[1].central_extra, 0, 4);
               }),
               "m/data/0: its zip64 sizes are missing"},
        BadZip{"zip64_huge", central([](Entries& e) {
                 e[1].size = e[1].stored = 0xffffffff;
                 put(e[1].central_extra, 1, 2), put(e[1].central_extra, 16, 2);
                 put(e[1].central_extra, ~uint64_t{0} - 5, 8), put(e[1].central_extra, ~uint64_t{0} - 5, 8);
               }),
               "m/data/0: the zip directory says 18446744073709551610 bytes"},
        BadZip{"dotdot", named("m/../x"), "m/../x: the record's name leaves the file's top folder"},
        BadZip{"dotdot_last", named("m/.."), "leaves the file's top folder"},
        BadZip{"empty_part", named("m//x"), "leaves the file's top folder"},
        BadZip{"absolute", named("/m/x"), "/m/x: the record's name is an absolute path"},
        BadZip{"drive", named("C:/x"), "is an absolute path"},
        BadZip{"backslash", named("m\\x"), "is an absolute path"},
        BadZip{"control", named(std::string("m/a\x1b[2Jb")),
               "m/a?[2Jb: the record's name holds control characters"},
        BadZip{"nul", named(std::string("m/a\0b", 5)), "holds control characters"},
        BadZip{"empty_name", named(""), "a record's name has 0 bytes"},
        BadZip{"no_folder", named("x"), "x: the record is in no folder"},
        BadZip{"other_folder", named("n/data/0"), "n/data/0: expected every record in the folder m"},
        BadZip{"longer_folder", named("mm/data/0"), "mm/data/0: expected every record in the folder m"},
        BadZip{"twice", named("m/data.pkl"), "m/data.pkl: the record occurs twice"},
        BadZip{"overlap",
               [](Zip& z) {
                 Entry inner = entry("m/x", "");
                 std::string bytes;
                 put(bytes, 0x04034b50, 4), put(bytes, 20, 2), put(bytes, 0, 8), put(bytes, 0, 8),
                     put(bytes, 0, 4), put(bytes, 3, 2), put(bytes, 0, 2);
                 z.entries[1] = entry("m/data/0", bytes + "m/x" + std::string(100, ' '));
                 z.entries.push_back(inner);
                 z.before_directory = [](Entries& e) { e.back().offset = e[1].offset + 30 + 8; };
               },
               "data/0 and x share bytes of the file"},
        BadZip{"comment_short", end([](Closing& c) { c.comment_bytes = 5; }),
               "announces a comment of 5 bytes, 0 bytes follow"},
        BadZip{"bytes_behind", end([](Closing& c) { c.tail = "hello"; }),
               "announces a comment of 0 bytes, 5 bytes follow"},
        BadZip{"disk", end([](Closing& c) { c.disk = 3; }), "a zip in several parts (disk 3)"},
        BadZip{"no_records", end([](Closing& c) { c.records = 0; }), "is said to hold 0 records"},
        BadZip{"many_records", end([](Closing& c) { c.records = 60000; }), "is said to hold 60000 records"},
        BadZip{"one_more", end([](Closing& c) { c.records += 1; }), "is said to hold 6 records"},
        BadZip{"one_less", end([](Closing& c) { c.records -= 1; }),
               "bytes follow the zip directory's last record"},
        BadZip{"directory_size", end([](Closing& c) { c.directory_bytes += 1; }),
               "expected it to end at offset"},
        BadZip{"directory_offset", end([](Closing& c) { c.directory_offset = 0xfffffff0; }),
               "expected it to end at offset"},
        BadZip{"garbage_behind_directory", [](Zip& z) { z.behind_directory = std::string(50, 'g'); },
               "50 bytes follow the zip directory's last record"},
        BadZip{"zip64_signature", end([](Closing& c) { c.wide = true, c.wide_signature = 1; }),
               "no zip64 end record at offset"},
        BadZip{"zip64_position", end([](Closing& c) { c.wide = true, c.wide_position = ~uint64_t{0}; }),
               "outside of the file"},
        BadZip{"zip64_disagrees", end([](Closing& c) { c.wide = true, c.wide_records += 1; }),
               "the zip end record and its zip64 form disagree: 5 and 6 records"},
        BadZip{"data_damaged", [](Zip& z) { z.entries[1].data[500] ^= 1; }, "data/0: expected CRC-32 "},
        BadZip{"deflate_damaged", [](Zip& z) { z.entries[2].data[3] ^= 0x7f; }, "code/a.py: "},
        BadZip{"deflate_longer", [](Zip& z) { z.entries[2].size = z.entries[2].local_size = 2000; },
               "code/a.py: the zip directory says 2000 bytes"},
        BadZip{"deflate_shorter", [](Zip& z) { z.entries[2].size = z.entries[2].local_size = 3001; },
               "code/a.py: the zip directory says 3001 bytes, its data has 3000"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ZipDirectory, BytesBeforeTheFirstRecordAreRefused) {
  Zip zip = good_zip();
  zip.entries.insert(zip.entries.begin(), entry("m/hidden", "unlisted"));
  zip.before_directory = [](Entries& e) { e.erase(e.begin()); };
  EXPECT_THAT(message(zip.build()), HasSubstr("46 bytes stand before the first record"));
}

TEST(ZipDirectory, EveryTruncationIsRefused) {
  const std::string bytes = good_zip().build();
  const TemporaryFolder folder;
  for (size_t size = 1; size < bytes.size(); ++size) {
    const InputFile file(folder.write("cut.pt", bytes.substr(0, size)));
    EXPECT_THROW(read_zip_directory(file), Error) << "cut after " << size;
  }
}

TEST(ZipDirectory, ACutFileNamesTheLastRecord) {
  const std::string bytes = good_zip().build();
  EXPECT_EQ(message(bytes.substr(0, 500)),
            "the file ends after 500 bytes, in or after the record data/0 that begins at offset 46, without "
            "the zip "
            "directory that should stand at its end; the copy is probably cut short");
}

// A flip either is refused or hits a field nobody reads (times, versions, attributes):
// then nothing read differs.
TEST(ZipDirectory, EveryFlippedBitIsSafe) {
  const std::string bytes = good_zip().build();
  const TemporaryFolder folder;
  int accepted = 0;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    const InputFile file(folder.write("flip.pt", flipped));
    try {
      const ZipDirectory zip = read_zip_directory(file);
      verify_records(file, zip);
      ++accepted;
      for (const ZipRecord& r : zip.records) {
        const std::string content = read_record(file, r, 3000);
        ASSERT_EQ(r.crc32, crc32(0, reinterpret_cast<const Bytef*>(content.data()),
                                 static_cast<uInt>(content.size())));
      }
      ASSERT_EQ(zip.records.size(), 5u);
    } catch (const Error&) {
    }
  }
  // A local header has 6 such bytes, a directory entry 16, the end record the disk counts it repeats.
  EXPECT_LT(accepted, (6 + 16) * 8 * 5 + 100);
}

TEST(ZipDirectory, FilesThatAreNoZip) {
  EXPECT_THAT(message("hello world, this is text"), HasSubstr("not a zip file; expected a TorchScript file"));
  EXPECT_THAT(message("PK"), HasSubstr("not a zip file"));
}

TEST(InputFile, SaysWhatIsWrongWithTheFile) {
  const TemporaryFolder folder;
  const auto open = [](const std::string& path) -> std::string {
    try {
      InputFile file(path);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(open(folder / "missing.pt"),
            folder / "missing.pt" + ": cannot open it: No such file or directory");
  EXPECT_THAT(open(folder.path().string()), HasSubstr("expected a file, this is a folder"));
  EXPECT_THAT(open(folder.write("empty.pt", "")), HasSubstr("the file is empty"));
  EXPECT_THAT(open("/dev/null"), HasSubstr("a pipe or device"));
}

}  // namespace
}  // namespace vqt
