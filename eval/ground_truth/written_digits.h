// How finely numbers are written: poses in a file are rounded, in text to some digits, in between often to
// float32. What is closer than that cannot be told apart.
#pragma once

#include "eval/ground_truth/pose.h"

namespace vqt {

// Looks at all numbers of one kind (lengths, or parts of rotations) of a file; then says by how much one of
// them may be off.
class WrittenDigits {
 public:
  static constexpr double kFloatStep = 1.0 / (1 << 24);  // of 1, half a unit of float32's last place

  void add(double value);
  void add(const Vec3& values);
  // Half a unit of the last place that the file uses. 0 where no number has four digits or more: those are
  // typed by hand, and exact.
  double error(double value) const;
  // By how much a point of such numbers may be off.
  double error(const Vec3& values) const;
  // The numbers come from float32.
  bool single_precision() const { return all_float_ || most_digits_ <= kFloatDigits; }

 private:
  static constexpr int kFloatDigits = 9;  // that a float32 is written with at most
  int most_digits_ = 0, most_decimals_ = 0;
  bool all_float_ = true;
};

}  // namespace vqt
