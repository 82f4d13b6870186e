// A host program that works on a device: device.model moves bodies on a GPU, step by step, and the state stays
// there between the calls; the host asks for a number now and then. Runs on the emulator unless told (device.cpp
// gpu), and compares with the CPU to the bit. Built and run by the suite.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tenon/tenon.h>
#include <vector>

namespace te = tenon::embed;

namespace {

constexpr int64_t kBodies = 24;
constexpr int kSteps = 20;

int wrong = 0;
void expect(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not as expected: %s\n", what);
  ++wrong;
}

[[noreturn]] void fail(const te::Error& error) {
  std::fprintf(stderr, "%s", error.text.c_str());
  std::exit(1);
}

// How often the host has waited for the device.
long waits(const te::Session& session) {
  const std::string said = session.stats();
  const size_t at = said.find("waits of the host ");
  return at == std::string::npos ? 0 : std::atol(said.c_str() + at + 18);
}

struct Ended {
  std::vector<float> x;
  float energy = 0;
};

te::Options on(const std::string& device) {
  te::Options options;
  options.device = device;
  return options;
}

Ended run(const std::string& device) {
  te::Session session(on(device));
  if (auto error = session.load("host/device.model")) fail(*error);
  std::vector<float> place(3 * kBodies), still(3 * kBodies), mass(kBodies);
  for (size_t i = 0; i < place.size(); ++i) place[i] = static_cast<float>(i * 37 % 101) / 101.0f;
  for (size_t i = 0; i < mass.size(); ++i) mass[i] = 1.0f + static_cast<float>(i % 3);

  // The first step reads the host's memory; what the others are given is what the step before has given.
  const te::TensorView masses(mass.data(), {kBodies});
  auto state = session.call("moved", {{place.data(), {kBodies, 3}}, {still.data(), {kBodies, 3}}, masses});
  if (!state) fail(state.error());
  const long before = waits(session);
  for (int step = 1; step < kSteps; ++step) {
    state = session.call("moved", {state.value()[0], state.value()[1], masses});
    if (!state) fail(state.error());
  }
  if (device != "cpu") expect(waits(session) == before, "no step waits for the device");
  auto energy = session.call("energy", {state.value()[1], masses});
  if (!energy) fail(energy.error());
  const auto x = state.value()[0].as<float>();  // fetched here
  std::printf("%-8s after %d steps the energy is %.6f, the first body at %.6f\n", device.c_str(), kSteps,
              static_cast<double>(energy.value()[0].number<float>()), static_cast<double>(x[0]));
  return {{x.begin(), x.end()}, energy.value()[0].number<float>()};
}

}  // namespace

int main(int count, char** words) {
  const std::string device = count > 1 ? words[1] : "cudasim";
  const Ended there = run(device), here = run("cpu");
  expect(there.x == here.x && there.energy == here.energy, "the device's bits are the CPU's");

  // A device that is not there is an error like any other.
  te::Session none(on("abacus"));
  const auto error = none.load("host/device.model");
  expect(error && error->code == "E1002", "a device that is not there");
  return wrong;
}
