// The program of docs/hosting.md: the least that a host does.
#include <cstdio>
#include <tenon/tenon.h>
#include <vector>

int main() {
  tenon::embed::Session session;
  if (auto error = session.load("host/scores.model")) {
    std::fprintf(stderr, "%s", error->text.c_str());  // with the place and a hint, as on the command line
    return 1;
  }
  std::vector<float> rows{1, 2, 3, 4};                // read where they lie
  auto called = session.call("predict", {{rows.data(), {2, 2}}});
  if (!called) {
    std::fprintf(stderr, "%s", called.error().text.c_str());
    return 1;
  }
  for (float score : called.value()[0].as<float>()) std::printf("%.2f\n", score);
}
