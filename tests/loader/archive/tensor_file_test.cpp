// Tensor files: hand-written bytes, one case per way such a file can be wrong, and what
// is written comes back.
#include "loader/archive/tensor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "tests/loader/archive/zip_builder.h"
#include "tests/temporary_folder.h"
#include "vqt/error.h"

namespace vqt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Length of the header, header, data.
std::string file_of(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  return length + header + data;
}

const std::string kTwo =  // a: 1.0, -2.0; b: 7, 8, 9
    R"({"__metadata__":{"of":"a test"},"b":{"dtype":"U8","shape":[3,1],"data_offsets":[8,11]},)"
    R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
const std::string kData("\0\0\x80\x3f\0\0\0\xc0\x07\x08\x09", 11);

template <typename F>
std::string message_of(const F& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

class TensorFileTest : public testing::Test {
 protected:
  std::string error_of(const std::string& bytes) const {
    const std::string path = folder_.write("t", bytes), prefix = path + ": not a usable safetensors file: ";
    const std::string text = message_of([&] { TensorFile file(path); });
    return text.rfind(prefix, 0) == 0 ? text.substr(prefix.size()) : text;
  }
  // One tensor of 8 bytes with this in place of its entry.
  std::string error_of_entry(const std::string& entry) const {
    return error_of(file_of(R"({"a":)" + entry + "}", std::string(8, 'x')));
  }
  TemporaryFolder folder_;
};

TEST_F(TensorFileTest, ReadsBytesWrittenByHand) {
  const TensorFile file(folder_.write("t", file_of(kTwo + "   ", kData)));
  ASSERT_EQ(file.tensors().size(), 2U);
  EXPECT_EQ(file.tensors()[0].name, "a");  // in the order of the data
  EXPECT_EQ(file.tensors()[0].dtype, "F32");
  EXPECT_EQ(file.tensors()[1].name, "b");
  EXPECT_THAT(file.tensors()[1].shape, ElementsAre(3, 1));
  EXPECT_EQ(file.metadata("of"), "a test");
  EXPECT_EQ(file.metadata("other"), "");
  EXPECT_EQ(file.find("c"), nullptr);
  float a[2];
  file.read(*file.find("a"), a);
  EXPECT_THAT(a, ElementsAre(1.F, -2.F));
  uint8_t b[3];
  file.read(*file.find("b"), b);
  EXPECT_THAT(b, ElementsAre(7, 8, 9));
}

TEST_F(TensorFileTest, EmptyTensorsAndNoTensorsAreLegal) {
  EXPECT_EQ(error_of(file_of("{}", "")), "no error");
  const std::string shapes =
      R"({"a":{"dtype":"I64","shape":[0,5],"data_offsets":[0,0]},"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
      R"("z":{"dtype":"BOOL","shape":[2,0],"data_offsets":[8,8]}})";
  EXPECT_EQ(error_of(file_of(shapes, std::string(8, 'x'))), "no error");
}

TEST_F(TensorFileTest, RefusesAHeaderThatCannotBeOne) {
  EXPECT_EQ(error_of("1234567"), "it has 7 bytes; expected 8 for the header's length and then the header");
  EXPECT_EQ(error_of(std::string("\x03\0\0\0\0\0\0\0{}", 10)),
            "its first 8 bytes say that the header has 3 bytes; expected at most 2");
  EXPECT_EQ(error_of(std::string(8, '\xff') + "{}"),
            "its first 8 bytes say that the header has 18446744073709551615 bytes; expected at most 2");
  EXPECT_EQ(error_of(std::string(8, '\0')), "the header does not begin with {");
  EXPECT_EQ(error_of(file_of(" {}", "")), "the header does not begin with {");
  EXPECT_EQ(error_of(file_of("[]", "")), "the header does not begin with {");
  EXPECT_THAT(error_of(file_of(R"({"a")", "")), HasSubstr("the header is not JSON: "));
  EXPECT_THAT(error_of(file_of("{\"\xff\":1}", "")), HasSubstr("the header is not JSON: "));
  EXPECT_THAT(error_of(file_of(R"({"a":)" + std::string(100000, '['), "")),
              HasSubstr("the header is not JSON: "));
}

TEST_F(TensorFileTest, RefusesALengthAboveTheLimitThatTheFileCouldHold) {
  const std::string path = folder_.write("t", std::string("\x01\xe1\xf5\x05\0\0\0\0{", 9));  // 100,000,001
  std::filesystem::resize_file(path, 200'000'000);                                           // sparse
  EXPECT_THAT(message_of([&] { TensorFile file(path); }),
              HasSubstr("the header has 100000001 bytes; expected at most 100000000"));
}

TEST_F(TensorFileTest, RefusesAnEntryThatIsNotATensor) {
  EXPECT_EQ(error_of_entry("1"), "a: dtype is missing");
  EXPECT_EQ(error_of_entry(R"({"dtype":"F64","data_offsets":[0,8]})"), "a: shape is missing");
  EXPECT_EQ(error_of_entry(R"({"dtype":"F64","shape":[1]})"), "a: data_offsets is missing");
  EXPECT_EQ(
      error_of_entry(R"({"dtype":"F7","shape":[1],"data_offsets":[0,8]})"),
      "a: dtype: expected one of BOOL, U8, I8, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64, got \"F7\"");
  EXPECT_THAT(error_of_entry(R"({"dtype":3,"shape":[1],"data_offsets":[0,8]})"), HasSubstr("F64, got 3"));
  EXPECT_EQ(error_of_entry(R"({"dtype":"F64","shape":1,"data_offsets":[0,8]})"),
            "a: shape: expected a list, got 1");
  for (const char* size : {"-1", "1.0", "\"1\"", "null", "1e0"}) {
    EXPECT_THAT(
        error_of_entry(std::string(R"({"dtype":"F64","shape":[)") + size + R"(],"data_offsets":[0,8]})"),
        HasSubstr("a: shape: expected a whole number, got "))
        << size;
  }
  for (const char* shape : {"[9223372036854775808]", "[4294967296,4294967296]", "[2305843009213693952]"}) {
    EXPECT_EQ(error_of_entry(std::string(R"({"dtype":"F64","shape":)") + shape + R"(,"data_offsets":[0,8]})"),
              std::string("a: shape ") + shape + " is too large");
  }
  for (const char* offsets : {"8", "[0]", "[0,8,8]", "{}"}) {
    EXPECT_EQ(error_of_entry(std::string(R"({"dtype":"F64","shape":[1],"data_offsets":)") + offsets + "}"),
              std::string("a: data_offsets: expected [begin, end], got ") + offsets);
  }
  EXPECT_EQ(error_of_entry(R"({"dtype":"F64","shape":[1],"data_offsets":[-8,0]})"),
            "a: data_offsets: expected a whole number, got -8");
}

TEST_F(TensorFileTest, RefusesOffsetsThatDoNotFitTheShape) {
  EXPECT_EQ(error_of_entry(R"({"dtype":"F64","shape":[2],"data_offsets":[0,8]})"),
            "a: F64 [2] takes 16 bytes, its data_offsets are [0,8]");
  EXPECT_EQ(error_of_entry(R"({"dtype":"F64","shape":[1],"data_offsets":[8,0]})"),
            "a: F64 [1] takes 8 bytes, its data_offsets are [8,0]");
}

TEST_F(TensorFileTest, RefusesHolesOverlapAndAnotherEnd) {
  const auto two = [](const std::string& a, const std::string& b, size_t data) {
    return file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
                       R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}",
                   std::string(data, 'x'));
  };
  EXPECT_EQ(error_of(two("[0,4]", "[4,8]", 8)), "no error");
  EXPECT_EQ(error_of(two("[4,8]", "[0,4]", 8)), "no error");
  EXPECT_EQ(error_of(two("[1,5]", "[5,9]", 9)),
            "a begins at byte 1 of the data; expected 0, where the tensor before it ends");
  EXPECT_EQ(error_of(two("[0,4]", "[5,9]", 9)),
            "b begins at byte 5 of the data; expected 4, where the tensor before it ends");
  EXPECT_EQ(error_of(two("[0,4]", "[3,7]", 7)),
            "b begins at byte 3 of the data; expected 4, where the tensor before it ends");
  EXPECT_EQ(error_of(two("[0,4]", "[0,4]", 4)),
            "b begins at byte 0 of the data; expected 4, where the tensor before it ends");
  EXPECT_EQ(error_of(two("[0,4]", "[4,8]", 7)),
            "the tensors take 8 bytes, 7 follow the header; the copy is probably cut short");
  EXPECT_EQ(error_of(two("[0,4]", "[4,8]", 9)), "the tensors take 8 bytes, 9 follow the header");
}

TEST_F(TensorFileTest, RefusesNamesThatOccurTwiceAndMetadataThatIsNotText) {
  const std::string a = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_EQ(error_of(file_of("{" + a + "," + a + "}", "x")), "the header names a twice");
  EXPECT_EQ(error_of(file_of(R"({"__metadata__":{},"__metadata__":{}})", "")),
            "the header names __metadata__ twice");
  EXPECT_EQ(error_of(file_of(R"({"__metadata__":["x"]})", "")),
            "__metadata__: expected an object, got array");
  EXPECT_EQ(error_of(file_of(R"({"__metadata__":{"x":1}})", "")),
            "__metadata__: x: expected a text, got number");
  for (const char* sums : {"no", "[]", "{}", R"({\"a\":-1})", R"({\"a\":4294967296})"}) {
    EXPECT_EQ(error_of(file_of(std::string(R"({"__metadata__":{"crc32":")") + sums + "\"}," + a + "}", "x")),
              "__metadata__: crc32: expected a checksum for a")
        << sums;
  }
}

TEST_F(TensorFileTest, CutShortAnywhereIsRefused) {
  const std::string whole = file_of(kTwo, kData);
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_NE(error_of(whole.substr(0, n)), "no error") << n;
  EXPECT_EQ(error_of(whole), "no error");
}

void write_two(const std::string& path, uint64_t header_room) {
  TensorFileWriter writer(path, header_room);
  writer.append("b/ä", "U8", {3, 1}, kData.data() + 8);
  writer.append("none", "F64", {0, 2}, nullptr);
  writer.append("a", "F32", {2}, kData.data());
  writer.finish({{"of", "a \"test\""}});
}

TEST_F(TensorFileTest, WritesWhatItReads) {
  for (const uint64_t room : {0, 8, 100, 300, 4096}) {  // too little: the data are moved
    const std::string path = folder_ / "w";
    write_two(path, room);
    const TensorFile file(path);
    EXPECT_EQ(file.metadata(), (TensorMetadata{{"of", "a \"test\""}}));
    std::vector<std::string> names;
    for (const TensorEntry& t : file.tensors()) names.push_back(t.name);
    EXPECT_THAT(names, ElementsAre("b/ä", "none", "a"));
    std::string a(8, '\0'), b(3, '\0');
    file.read(*file.find("a"), a.data());
    file.read(*file.find("b/ä"), b.data());
    EXPECT_EQ(b + a, kData.substr(8) + kData.substr(0, 8)) << room;
    const std::string bytes = read_text(path);
    EXPECT_EQ(static_cast<uint8_t>(bytes[0]) % 8, 0);  // data begin at a multiple of 8
    EXPECT_EQ(bytes.substr(bytes.size() - 11), b + a);
  }
}

TEST_F(TensorFileTest, MovesDataOfSeveralPieces) {
  std::vector<uint32_t> values(700'000);  // 2.8 MB; pieces are of 1 MiB
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint32_t>(i * 2654435761U);
  TensorFileWriter writer(folder_ / "w", 0);
  writer.append("v", "U32", {700'000}, values.data());
  writer.finish();
  const TensorFile file(folder_ / "w");
  std::vector<uint32_t> back(values.size());
  file.read(*file.find("v"), back.data());
  EXPECT_EQ(back, values);
}

TEST_F(TensorFileTest, ACopyHasOtherMetadataAndTheSameChecksums) {
  write_two(folder_ / "w", 4096);
  copy_tensors(TensorFile(folder_ / "w"), {{"of", "a copy"}, {"more", "text"}}, folder_ / "copy");
  const TensorFile copy(folder_ / "copy");
  EXPECT_EQ(copy.metadata(), (TensorMetadata{{"of", "a copy"}, {"more", "text"}}));
  std::string bytes = read_text(folder_ / "copy");
  bytes[bytes.size() - 2] ^= 1;
  const TensorFile damaged(folder_.write("damaged", bytes));
  std::string a(8, '\0'), b(3, '\0');
  damaged.read(*damaged.find("b/ä"), b.data());
  EXPECT_EQ(b, kData.substr(8));
  EXPECT_EQ(message_of([&] { damaged.read(*damaged.find("a"), a.data()); }),
            folder_ / "damaged" + ": damaged: a has another checksum");
}

TEST_F(TensorFileTest, RefusesToWriteWhatNoReaderTakes) {
  EXPECT_THAT(message_of([&] { TensorFileWriter(folder_ / "no/w"); }),
              HasSubstr("no/w: cannot write: No such file"));
  TensorFileWriter writer(folder_ / "w");
  EXPECT_EQ(message_of([&] { writer.append("c", "C64", {1}, kData.data()); }),
            folder_ / "w" + ": c: dtype C64 cannot be stored");
  writer.append("a", "U8", {1}, kData.data());
  EXPECT_EQ(message_of([&] { writer.append("a", "U8", {1}, kData.data()); }),
            folder_ / "w" + ": two tensors named a");
}

TEST_F(TensorFileTest, AFullDiskIsSaid) {
  struct rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit tight = {100 << 10, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  const std::vector<uint8_t> data(200 << 10);
  const std::string message = message_of([&] {
    TensorFileWriter writer(folder_ / "w");
    writer.append("a", "U8", {200 << 10}, data.data());
  });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(message, folder_ / "w" + ": cannot write: File too large");
}

}  // namespace
}  // namespace vqt
