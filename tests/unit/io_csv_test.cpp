// The csv reader: what it takes, and how it says what is wrong.
// rooms: io runtime ir support
#include <cmath>
#include <random>

#include "io/csv.h"
#include "tests/unit/temp_folder.h"

namespace tenon::io {
namespace {

CsvTable parse(std::string_view text, CsvOptions options = {}) {
  return parse_csv(text, "t.csv", options, {});
}
CsvOptions label(std::string name) {
  CsvOptions options;
  options.label = std::move(name);
  return options;
}
std::vector<float> floats(const Tensor& t) {
  return {t.data<float>(), t.data<float>() + t.count()};
}
std::vector<int64_t> ints(const Tensor& t) {
  return {t.data<int64_t>(), t.data<int64_t>() + t.count()};
}
std::string fault(std::string_view text, CsvOptions options = {}) {
  return error_of(Code::E0903, [&] { parse(text, options); });
}

TEST(Csv, ColumnsByNameWordsAndMissing) {
  CsvOptions options = label("y");
  options.columns = {"b", "a"};
  options.classes = {{"b", {"red", "green"}}, {"y", {"no", "a \"b\""}}};
  options.missing = -1;
  CsvTable t = parse("id,a,b,y\nx,1,green,no\nx,,red,\"a \"\"b\"\"\"\nx,3,,no\n", options);
  EXPECT_EQ(t.columns, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(floats(t.x), (std::vector<float>{1, 1, 0, -1, -1, 3}));
  EXPECT_EQ(ints(*t.y), (std::vector<int64_t>{0, 1, 0}));

  options.missing.reset();
  EXPECT_CONTAINS(fault("a,b,y\n1,,no\n", options), "t.csv:2:3: \"\" is none of the classes of column 'b'");
  EXPECT_CONTAINS(fault("a,b,y\n1,blue,no\n", options), "hint: the classes are red, green");
  EXPECT_CONTAINS(fault("a,c,y\n1,red,no\n", options), "has no column 'b'\nhint: its columns are a, c, y");
  EXPECT_CONTAINS(fault("1,2,3\n", options), "a header is missing");
}

TEST(Csv, HeaderAndLabel) {
  CsvTable t = parse("a,digit,b\n1,7,2.5\n-3e1,8,.5\n", label("digit"));
  EXPECT_EQ(t.columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(t.x.shape, (Extents{2, 2}));
  EXPECT_EQ(floats(t.x), (std::vector<float>{1, 2.5, -30, .5}));
  EXPECT_EQ(ints(*t.y), (std::vector<int64_t>{7, 8}));
}

TEST(Csv, NoHeader) {
  CsvTable t = parse("1,2\n3,4");
  EXPECT_TRUE(t.columns.empty());
  EXPECT_EQ(t.x.shape, (Extents{2, 2}));
  EXPECT_FALSE(t.y);
}

TEST(Csv, NumbersAsNamesWhenTheLabelIsOne) {
  CsvTable t = parse("0,1,2\n5,6,7\n", label("2"));
  EXPECT_EQ(floats(t.x), (std::vector<float>{5, 6}));
  EXPECT_EQ(ints(*t.y), (std::vector<int64_t>{7}));
}

TEST(Csv, QuotesBlanksLineEndsAndBom) {
  CsvTable t = parse("\xEF\xBB\xBF\"a, \"\"b\"\"\", \"c\nd\"\r\n 1 ,\"2\"\r\n\r\n+3,\t4\r\n\n");
  EXPECT_EQ(t.columns, (std::vector<std::string>{"a, \"b\"", "c\nd"}));
  EXPECT_EQ(floats(t.x), (std::vector<float>{1, 2, 3, 4}));
}

TEST(Csv, Numbers) {
  CsvTable t = parse("nan,inf,-inf,1e-60,16777217\n");
  EXPECT_TRUE(std::isnan(floats(t.x)[0]));
  EXPECT_EQ(floats(t.x)[1], INFINITY);
  EXPECT_EQ(floats(t.x)[3], 0.0f);
  CsvOptions wide;
  wide.dtype = DType::f64;
  EXPECT_EQ(parse("0.1\n", wide).x.data<double>()[0], 0.1);
  EXPECT_EQ(ints(*parse("a,y\n1,3.0\n1,1e2\n", label("y")).y), (std::vector<int64_t>{3, 100}));
  CsvOptions real = label("y");
  real.label_dtype = DType::f32;
  EXPECT_EQ(floats(*parse("a,y\n1,3.5\n", real).y), (std::vector<float>{3.5}));
}

TEST(Csv, Faults) {
  EXPECT_CONTAINS(fault(""), "'t.csv' is empty");
  EXPECT_CONTAINS(fault("\n\r\n"), "is empty");
  EXPECT_CONTAINS(fault("a,b\n"), "no rows");
  EXPECT_CONTAINS(fault("a,b\n1,2\n3\n"), "t.csv:3:1: this row has 1 field, the header has 2");
  EXPECT_CONTAINS(fault("a,b\n1,2,9\n"), "t.csv:2:5: this row has 3 fields");
  EXPECT_CONTAINS(fault("a,b\n1,2\n3,cat\n"),
                  "t.csv:3:3: expected a number in column 'b', found \"cat\"");
  EXPECT_CONTAINS(fault("a,b\n1,\n"), "found nothing");
  EXPECT_CONTAINS(fault("1,2\n1,x\n"), "t.csv:2:3: expected a number in column 2");
  EXPECT_CONTAINS(fault("a,y\n1,2.5\n", label("y")), "expected a whole number in column 'y'");
  EXPECT_CONTAINS(fault("a,digit\n1,2\n", label("digits")),
                  "has no column 'digits'\nhint: there is a column 'digit'");
  EXPECT_CONTAINS(fault("a,b\n1,2\n", label("zzz")), "its columns are a, b");
  EXPECT_CONTAINS(fault("1,2\n1,2\n", label("y")), "a header is missing");
  EXPECT_CONTAINS(fault("y,y\n1,2\n", label("y")), "t.csv:1:3: a second column");
  EXPECT_CONTAINS(fault("y\n1\n", label("y")), "only column");
  EXPECT_CONTAINS(fault("a,\"b\n1,2\n"), "t.csv:1:3: a quotation mark");
  EXPECT_CONTAINS(fault("a,\"b\"c\n1,2\n"), "t.csv:1:6: text after");
  EXPECT_CONTAINS(fault("a\n1e99\n"), "too large for f32");
  EXPECT_CONTAINS(fault("a\n1e999\n"), "expected a number");
  EXPECT_CONTAINS(fault("a\n--1\n"), "found \"--1\"");
  EXPECT_CONTAINS(fault(std::string_view("a\n\x01\0x\n", 6)), "found \"??x\"");
  error_of(Code::E0901, [] { read_csv("/nowhere/t.csv", {}, {}); });
}

// Any bytes at all give a table or an error, never anything else.
TEST(Csv, RandomBytes) {
  std::mt19937 random(1);
  const std::string good = "a,\"b\",digit\r\n1,2.5,3\r\n4,\"5\",6\n";
  const std::string_view alphabet = "0123456789.,,\"\"\r\n eE+-naif\x80\xff\t";
  for (int turn = 0; turn < 50000; ++turn) {
    std::string text = good;
    for (int n = 1 + random() % 6; n > 0 && !text.empty(); --n) {
      size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          text.erase(at, 1 + random() % 3);
          break;
        default:
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    try {
      CsvTable t = parse(text, random() % 2 ? label("digit") : CsvOptions{});
      ASSERT_EQ(t.x.rank(), 2);
    } catch (const UserError& e) {
      ASSERT_EQ(e.diagnostic.code, Code::E0903);
    }
  }
}

}  // namespace
}  // namespace tenon::io
