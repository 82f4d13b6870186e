// How numbers print: what NumPy and Python print, checked against both when this was written (20000
// random cases, none different); here are the corners.
// rooms: runtime ir support
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/format.h"
#include "runtime/show.h"
#include "runtime/trap.h"

namespace tenon {
namespace {

template <class T>
Tensor make(DType t, const Extents& shape, const std::vector<T>& v) {
  Tensor r(t, shape);
  std::copy(v.begin(), v.end(), r.data<T>());
  return r;
}
Tensor f32(std::vector<float> v) { return make(DType::f32, {static_cast<int64_t>(v.size())}, v); }
Tensor f64(std::vector<double> v) { return make(DType::f64, {static_cast<int64_t>(v.size())}, v); }
std::string one(float v) { return format(Tensor::scalar(DType::f32, v)); }
std::string one(double v) { return format(Tensor::scalar(DType::f64, v)); }
std::string with(double v, std::string_view spec) { return format(Tensor::scalar(DType::f64, v), spec); }
std::string with(int64_t v, std::string_view spec) { return format(Tensor::scalar(DType::i64, v), spec); }

TEST(NumberText, ScalarsReadBackInTheirOwnDtype) {
  EXPECT_EQ(one(0.1f), "0.1");
  EXPECT_EQ(one(0.1), "0.1");
  EXPECT_EQ(one(static_cast<double>(0.1f)), "0.10000000149011612");
  EXPECT_EQ(one(3.0f), "3.0");
  EXPECT_EQ(one(100000.0), "100000.0");
  EXPECT_EQ(one(1e15), "1000000000000000.0");
  EXPECT_EQ(one(1e16), "1e+16");
  EXPECT_EQ(one(0.0001), "0.0001");
  EXPECT_EQ(one(0.00001), "1e-05");
  EXPECT_EQ(one(-0.0), "-0.0");
  EXPECT_EQ(one(1.7976931348623157e308), "1.7976931348623157e+308");
  EXPECT_EQ(one(5e-324), "5e-324");
  EXPECT_EQ(one(INFINITY), "inf");
  EXPECT_EQ(one(-INFINITY), "-inf");
  EXPECT_EQ(one(std::nan("")), "nan");
  EXPECT_EQ(format(Tensor::scalar(DType::boolean, uint8_t{1})), "true");
  EXPECT_EQ(format(Tensor::scalar(DType::i64, std::numeric_limits<int64_t>::min())), "-9223372036854775808");
  EXPECT_EQ(format(Tensor::scalar(DType::u8, uint8_t{200})), "200");
  EXPECT_EQ(format(Tensor::scalar(DType::i8, int8_t{-128})), "-128");
}

TEST(NumberText, SixteenBits) {
  EXPECT_EQ(format(Tensor::scalar(DType::f16, uint16_t{0x2e66})), "0.1");
  EXPECT_EQ(format(Tensor::scalar(DType::f16, uint16_t{0x7bff})), "65500.0");
  EXPECT_EQ(format(Tensor::scalar(DType::f16, uint16_t{0x0001})), "6e-08");
  EXPECT_EQ(format(Tensor::scalar(DType::f16, uint16_t{0x2400})), "0.01563");  // a power of two
  EXPECT_EQ(format(Tensor::scalar(DType::bf16, uint16_t{0x3dcd})), "0.1");
  EXPECT_EQ(format(Tensor::scalar(DType::bf16, uint16_t{0xff80})), "-inf");
}

TEST(NumberText, TensorsLikeNumpy) {
  EXPECT_EQ(format(f32({1, 2, 3})), "[1. 2. 3.]");
  EXPECT_EQ(format(f32({1, 2.5f, -3.25f})), "[ 1.    2.5  -3.25]");
  EXPECT_EQ(format(f64({1.0 / 3})), "[0.33333333]");
  EXPECT_EQ(format(f64({1e-5, 1})), "[1.e-05 1.e+00]");
  EXPECT_EQ(format(f64({1, NAN, -INFINITY})), "[  1.  nan -inf]");
  EXPECT_EQ(format(f64({})), "[]");
  EXPECT_EQ(format(make<int64_t>(DType::i64, {2, 2}, {1, -20, 3, 4})), "[[  1 -20]\n [  3   4]]");
  EXPECT_EQ(format(make<uint8_t>(DType::boolean, {2}, {1, 0})), "[ true false]");
  EXPECT_EQ(format(make<int64_t>(DType::i64, {2, 1, 2}, {1, 2, 3, 4})), "[[[1 2]]\n\n [[3 4]]]");
}

TEST(NumberText, LongTensorsAreWrappedAndCut) {
  std::vector<int64_t> v(1001);
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<int64_t>(i);
  EXPECT_EQ(format(make(DType::i64, {1001}, v)), "[   0    1    2 ...  998  999 1000]");
  v.resize(1000);
  const std::string whole = format(make(DType::i64, {1000}, v));
  EXPECT_EQ(whole.find("..."), std::string::npos);
  EXPECT_EQ(whole.find('\n'), 72u);  // a bracket and 18 numbers of 3 digits on the first line
  v.resize(1001);
  EXPECT_EQ(format(make(DType::i64, {1001, 1}, v)).substr(0, 22), "[[  0]\n [  1]\n [  2]\n ");
}

TEST(NumberText, StridedTensors) {
  Tensor t = make<int64_t>(DType::i64, {2, 3}, {1, 2, 3, 4, 5, 6});
  const int axes[] = {1, 0};
  EXPECT_EQ(format(t.transposed(axes)), "[[1 4]\n [2 5]\n [3 6]]");
}

TEST(NumberText, TheMiniLanguage) {
  EXPECT_EQ(with(3.14159, ".2f"), "3.14");
  EXPECT_EQ(with(2.5, ".0f"), "2");  // half to even, of the exact value
  EXPECT_EQ(with(-3.5, "+08.2f"), "-0003.50");
  EXPECT_EQ(with(0.125, ".1%"), "12.5%");
  EXPECT_EQ(with(1234.5, ".3"), "1.23e+03");
  EXPECT_EQ(with(3.0, ".3"), "3.0");
  EXPECT_EQ(with(0.00012345, "g"), "0.00012345");
  EXPECT_EQ(with(12345.678, ".2e"), "1.23e+04");
  EXPECT_EQ(with(1.5, "*^9"), "***1.5***");
  EXPECT_EQ(with(1.5, "\xC2\xB7>6"), "\xC2\xB7\xC2\xB7\xC2\xB7" "1.5");
  EXPECT_EQ(with(INFINITY, "8.1f"), "     inf");
  EXPECT_EQ(with(int64_t{7}, "05d"), "00007");
  EXPECT_EQ(with(int64_t{-7}, "<5"), "-7   ");
  EXPECT_EQ(with(int64_t{3}, ".2f"), "3.00");
  EXPECT_EQ(format(f64({1, 22.5}), ".2f"), "[ 1.00 22.50]");
  EXPECT_EQ(format_text("ab", ">4"), "  ab");
  EXPECT_EQ(format_text("abc", ".2"), "ab");
}

TEST(NumberText, WrongFormats) {
  EXPECT_NE(wrong_format("d", DType::f32), "");
  EXPECT_NE(wrong_format(".2", DType::i64), "");
  EXPECT_NE(wrong_format("x", DType::i64), "");
  EXPECT_NE(wrong_format(".", DType::f64), "");
  EXPECT_EQ(wrong_format("8.3f", DType::i64), "");
  EXPECT_THROW(with(1.5, "d"), Trap);
  EXPECT_THROW(format_text("a", "d"), Trap);
}

TEST(NumberText, Templates) {
  const Tensor values[] = {Tensor::scalar(DType::f64, 0.5), f32({1, 2})};
  EXPECT_EQ(fill_template("x = {:.2f}, {{w}} = {}", values), "x = 0.50, {w} = [1. 2.]");
  EXPECT_EQ(fill_holes("x = {}, w = {}", values), "x = 0.5, w = [1.0, 2.0]");
  EXPECT_EQ(fill_template("{", {}), "{");
}

}  // namespace
}  // namespace tenon
