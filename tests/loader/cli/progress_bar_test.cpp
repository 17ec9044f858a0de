#include "loader/cli/progress_bar.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <functional>

#include "loader/cli/units.h"

namespace vqt::cli {
namespace {

// What is written to a file, or to a terminal.
std::string written(bool terminal, bool quiet, const std::function<void(ProgressBar&)>& work) {
  int ours = -1, theirs = -1;
  if (terminal) {
    EXPECT_EQ(::openpty(&ours, &theirs, nullptr, nullptr, nullptr), 0);
  } else {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    ours = ends[0];
    theirs = ends[1];
  }
  std::FILE* file = ::fdopen(theirs, "w");
  {
    ProgressBar bar("program", quiet, file);
    work(bar);
  }
  std::fputs("\x04", file);  // where the text ends: a terminal hands it over piece by piece
  std::fflush(file);
  std::string text;
  char block[4096];
  while (text.find('\x04') == std::string::npos) {
    const ssize_t size = ::read(ours, block, sizeof block);
    if (size <= 0) break;
    text.append(block, static_cast<size_t>(size));
  }
  std::fclose(file);
  ::close(ours);
  return text.substr(0, text.find('\x04'));
}

TEST(ProgressBar, DrawsABarOnATerminalAndLeavesOneLine) {
  const std::string text = written(true, false, [](ProgressBar& bar) {
    bar.start("images");
    bar.update(1, 4);
  });
  EXPECT_NE(text.find("images                                   [######                  ] 1/4, 0.0 s left"),
            std::string::npos)
      << text;
  EXPECT_NE(text.rfind("\r\033[Kimages: 0.0 s\r\n"), std::string::npos) << text;
}

TEST(ProgressBar, WritesPlainLinesElsewhere) {
  EXPECT_EQ(written(false, false,
                    [](ProgressBar& bar) {
                      bar.start("images");
                      bar.update(1, 4);
                      bar.tick();
                      bar.note("a note");
                      bar.warn("careful");
                    }),
            "images ...\na note\nprogram: warning: careful\nimages: 0.0 s\n");
}

TEST(ProgressBar, QuietLeavesWarnings) {
  for (const bool terminal : {false, true}) {
    const std::string text = written(terminal, true, [](ProgressBar& bar) {
      bar.start("images");
      bar.update(1, 4);
      bar.tick();
      bar.note("a note");
      bar.warn("careful");
    });
    EXPECT_EQ(text, terminal ? "program: warning: careful\r\n" : "program: warning: careful\n");
  }
}

TEST(ProgressBar, AStageEndsWhereItIsDoneOrAnotherBegins) {
  EXPECT_EQ(
      written(false, false,
              [](ProgressBar& bar) {
                bar.stage("over already", 1, 1);
                bar.stage("first", 0, 2);
                bar.stage("first", 1, 2);
                bar.stage("second", 0, 1);
                bar.stage("second", 1, 1);
                bar.stage("second", 1, 1);
                bar.stage("of unknown length", 1, 0);
              }),
      "first ...\nfirst: 0.0 s\nsecond ...\nsecond: 0.0 s\nof unknown length ...\nof unknown length: 0.0 s\n");
}

TEST(Units, Durations) {
  EXPECT_EQ(duration_text(0.44), "0.4 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(59.4), "59 s");
  EXPECT_EQ(duration_text(59.6), "1 min 00 s");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(7800), "2 h 10 min");
}

TEST(Units, Bytes) {
  EXPECT_EQ(bytes_text(999), "999 bytes");
  EXPECT_EQ(bytes_text(4200), "4.20 kB");
  EXPECT_EQ(bytes_text(999'499), "999 kB");
  EXPECT_EQ(bytes_text(999'500), "1.00 MB");
  EXPECT_EQ(bytes_text(16'749'000), "16.7 MB");
  EXPECT_EQ(bytes_text(999'499'999), "999 MB");
  EXPECT_EQ(bytes_text(5'026'400'000), "5,026 MB");
  EXPECT_EQ(ratio_text(320, 100), "3.20x smaller");
  EXPECT_EQ(ratio_text(100, 106), "1.06x larger");
  EXPECT_EQ(ratio_text(0, 106), "");
}

}  // namespace
}  // namespace vqt::cli
