// A host program: loads classifier.model, calls its functions on memory of its own, and handles what
// goes wrong. Built and run by the suite; its exit code says whether all came out as it must.
#include <cmath>
#include <cstdio>
#include <tenon/tenon.h>
#include <vector>

namespace te = tenon::embed;

namespace {

int wrong = 0;
void expect(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not as expected: %s\n", what);
  ++wrong;
}

}  // namespace

int main(int count, char** words) {
  te::Session session;
  if (auto error = session.load(count > 1 ? words[1] : "host/classifier.model")) {
    std::fprintf(stderr, "%s", error->text.c_str());
    return 1;
  }

  // The batch lies in the program's own memory and is read there. Any number of rows will do.
  for (int64_t rows : {1, 2, 5}) {
    std::vector<float> x(static_cast<size_t>(3 * rows));
    for (size_t i = 0; i < x.size(); ++i) x[i] = 0.5f * static_cast<float>(i % 4) - 0.5f;
    auto called = session.call("classify", {{x.data(), {rows, 3}}});
    if (!called) {
      std::fprintf(stderr, "%s", called.error().text.c_str());
      return 1;
    }
    for (const te::Output& o : called.value()) {
      std::printf("%-12s %s[", o.name().c_str(), std::string(te::name(o.dtype())).c_str());
      for (size_t k = 0; k < o.shape().size(); ++k)
        std::printf(k ? ", %lld" : "%lld", static_cast<long long>(o.shape()[k]));
      std::printf("]\n");
    }
    const te::Output& p = called.value()[0];
    expect(p.name() == "probability" && p.shape() == std::vector<int64_t>{rows, 2}, "the probabilities");
    for (int64_t i = 0; i < rows; ++i) {
      const auto row = p.as<float>().subspan(static_cast<size_t>(2 * i), 2);
      expect(std::abs(row[0] + row[1] - 1) < 1e-6f, "a row of probabilities sums to 1");
      const int64_t label = called.value()[1].as<int64_t>()[static_cast<size_t>(i)];
      expect(label == (row[1] > row[0] ? 1 : 0), "the label is the likelier class");
    }
  }

  // Every second row of a larger array, by strides: still no copy.
  const std::vector<float> wide = {1, 2, 3, 9, 9, 9, 4, 5, 6, 9, 9, 9};
  const std::vector<float> close = {1, 2, 3, 4, 5, 6};
  auto a = session.call("scores", {{wide.data(), {2, 3}, {6, 1}}});
  auto b = session.call("scores", {{close.data(), {2, 3}}});
  expect(a && b, "calls by strides");
  if (a && b)
    for (size_t i = 0; i < 4; ++i)
      expect(a.value()[0].as<float>()[i] == b.value()[0].as<float>()[i], "strides and rows agree");

  // Mistakes come back as values: a wrong width, a wrong dtype, a function that is not there.
  const std::vector<double> doubles(6);
  auto width = session.call("scores", {{close.data(), {3, 2}}});
  auto dtype = session.call("scores", {{doubles.data(), {2, 3}}});
  auto absent = session.call("score", {{close.data(), {2, 3}}});
  expect(!width && !dtype && !absent, "wrong calls are refused");
  if (!width) std::printf("%s: %s\n", width.error().code.c_str(), width.error().message.c_str());
  if (!dtype) std::printf("%s: %s\n", dtype.error().code.c_str(), dtype.error().message.c_str());
  if (!absent) std::printf("%s: %s (%s)\n", absent.error().code.c_str(), absent.error().message.c_str(),
                           absent.error().hint.c_str());

  const std::vector<int64_t> labels = {0, 7};  // there are two classes
  auto range = session.call("loss", {{close.data(), {2, 3}}, {labels.data(), {2}}});
  expect(!range && !range.error().in_program, "a label out of range is a fault of the data");
  if (!range) std::printf("%s", range.error().text.c_str());

  // The session is good for more after every error.
  const std::vector<int64_t> good = {0, 1};
  auto loss = session.call("loss", {{close.data(), {2, 3}}, {good.data(), {2}}});
  expect(loss && loss.value()[0].number<float>() > 0, "a loss");
  if (loss) std::printf("loss %.4f\n", loss.value()[0].number<float>());
  return wrong;
}
