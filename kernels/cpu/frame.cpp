// Parts of a product beside the zeros of a frame: what frame.h says.
#include "kernels/cpu/frame.h"

namespace tenon::kernels {
namespace {

constexpr int64_t kMostTaps = 64;
constexpr size_t kMostParts = 64;

int64_t floordiv(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// Rows of one axis, first + every * i, that meet elements under the same taps.
struct Alike {
  int64_t first, every = 1, count = 1;
  int64_t place, phase;  // of the first one: it stands `phase` behind element `place`, which need not be there
  int64_t next = 0;      // the place of the second one, less that
  uint64_t taps;
};

// How many elements tap t is behind the place of a row, if it is on one.
bool meets(const FramedAxis& f, int64_t phase, int64_t t, int64_t& behind) {
  const int64_t at = phase + f.tap_coefficient * t;
  behind = floordiv(at, f.step);
  return behind * f.step == at;
}

std::vector<Alike> groups_of(const FramedAxis& f, int64_t rows, int64_t taps) {
  std::vector<Alike> groups;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = f.row_coefficient * r + f.offset - f.start, place = floordiv(at, f.step);
    Alike g{.first = r, .place = place, .phase = at - place * f.step, .taps = 0};
    for (int64_t t = 0, behind; t < taps; ++t)
      if (meets(f, g.phase, t, behind) && place + behind >= 0 && place + behind < f.extent)
        g.taps |= uint64_t{1} << t;
    bool found = false;
    for (Alike& other : groups) {
      if (other.taps != g.taps || other.phase != g.phase) continue;
      if (other.count == 1) {
        other.every = r - other.first;
        other.next = place - other.place;
      } else if (other.first + other.every * other.count != r ||
                 other.place + other.next * other.count != place) {
        continue;
      }
      ++other.count;
      found = true;
      break;
    }
    if (!found) groups.push_back(g);
    if (groups.size() > kMostParts) return groups;
  }
  return groups;
}

}  // namespace

std::vector<WindowPart> parts_of(std::span<const FramedAxis> axes, std::span<const PartIndex> rows,
                                 std::span<const PartIndex> depth, Threads& threads) {
  std::vector<std::vector<Alike>> groups;
  size_t count = 1;
  for (const FramedAxis& f : axes) {
    int64_t of_rows = 1, of_taps = 1;
    for (const PartIndex& i : rows)
      if (i.axis >= 0 && &axes[static_cast<size_t>(i.axis)] == &f) of_rows = i.range;
    for (const PartIndex& i : depth)
      if (i.axis >= 0 && &axes[static_cast<size_t>(i.axis)] == &f) of_taps = i.range;
    if (of_taps > kMostTaps) return {};
    groups.push_back(groups_of(f, of_rows, of_taps));
    count *= groups.back().size();
    if (count > kMostParts) return {};
  }
  size_t all = 1;
  for (const PartIndex& i : depth) all *= static_cast<size_t>(i.range);
  std::vector<WindowPart> parts(count);
  threads.each(static_cast<int64_t>(count), [&](int64_t which) {
    WindowPart& part = parts[static_cast<size_t>(which)];
    std::vector<const Alike*> group;
    auto rest = static_cast<size_t>(which);
    for (const auto& g : groups) {
      group.push_back(&g[rest % g.size()]);
      rest /= g.size();
    }
    for (const PartIndex& i : rows) {
      if (i.axis < 0) {
        part.rows_a.add(i.range, i.a);
        part.rows_c.add(i.range, i.c);
        continue;
      }
      const Alike& g = *group[static_cast<size_t>(i.axis)];
      const int64_t stride = axes[static_cast<size_t>(i.axis)].stride;
      part.a += g.place * stride;
      part.c += g.first * i.c;
      part.rows_a.add(g.count, g.next * stride);
      part.rows_c.add(g.count, g.every * i.c);
    }
    part.steps.reserve(all);
    auto walk = [&](auto&& self, size_t level, int64_t at, int64_t k) -> void {
      if (level == depth.size()) {
        part.steps.push_back({at, k});
        return;
      }
      const PartIndex& i = depth[level];
      if (i.axis < 0 && level + 1 == depth.size()) {
        for (int64_t v = 0; v < i.range; ++v) part.steps.push_back({at + v * i.a, k * i.range + v});
        return;
      }
      for (int64_t v = 0; v < i.range; ++v) {
        if (i.axis < 0) {
          self(self, level + 1, at + v * i.a, k * i.range + v);
          continue;
        }
        const Alike& g = *group[static_cast<size_t>(i.axis)];
        const FramedAxis& f = axes[static_cast<size_t>(i.axis)];
        int64_t behind = 0;
        meets(f, g.phase, v, behind);
        if (g.taps >> v & 1) self(self, level + 1, at + behind * f.stride, k * i.range + v);
      }
    };
    walk(walk, 0, 0, 0);
  });
  return parts;
}

}  // namespace tenon::kernels
