// The checkpoints of `train`: the whole state of a training in one safetensors file, written all at once
// or not at all. A run that finds one goes on from there.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "io/file.h"
#include "io/safetensors.h"
#include "session/host.h"
#include "session/training.h"

namespace tenon {

namespace {

// Of the time of a training, how much writing checkpoints may take.
constexpr double kShare = 0.05;

constexpr std::string_view kSetting = "setting.", kHistory = "history.";

double seconds(Training::Clock::duration d) { return std::chrono::duration<double>(d).count(); }

bool has_nan(const Tensor& t) {
  if (t.dtype != DType::f32 && t.dtype != DType::f64) return false;
  const Tensor p = t.packed();
  for (int64_t i = 0; i < p.count(); ++i)
    if (t.dtype == DType::f32 ? std::isnan(p.data<float>()[i]) : std::isnan(p.data<double>()[i])) return true;
  return false;
}

// The rows of a history as tensors, a column each, and back.
void put_history(const std::vector<ProgressRow>& rows, std::vector<io::NamedTensor>& out) {
  if (rows.empty()) return;
  const auto n = static_cast<int64_t>(rows.size());
  auto column = [&](const std::string& name, auto get) {
    Tensor t(DType::f64, {n});
    for (int64_t i = 0; i < n; ++i) t.data<double>()[i] = get(rows[static_cast<size_t>(i)]);
    out.push_back({std::string(kHistory) + name, std::move(t)});
  };
  column("epoch", [](const ProgressRow& r) { return static_cast<double>(r.epoch); });
  column("step", [](const ProgressRow& r) { return static_cast<double>(r.step); });
  // By name: the rows of the run that went before came out of a file, in the file's order.
  for (const auto& [name, first] : rows[0].values)
    column("value." + name, [&](const ProgressRow& r) {
      const auto at = std::find_if(r.values.begin(), r.values.end(), [&](const auto& v) { return v.first == name; });
      return at == r.values.end() ? std::nan("") : at->second;
    });
}

std::vector<ProgressRow> history_of(const io::TensorFile& file) {
  std::vector<ProgressRow> rows;
  const std::string prefix = std::string(kHistory) + "value.";
  const Tensor *epoch = file.find("history.epoch"), *step = file.find("history.step");
  if (!epoch || !step || epoch->dtype != DType::f64 || epoch->rank() != 1) return rows;
  for (int64_t i = 0; i < epoch->count(); ++i) {
    ProgressRow row{static_cast<int64_t>(epoch->data<double>()[i]), 0, {}};
    auto at = [&](const Tensor& t) { return t.dtype == DType::f64 && t.shape == epoch->shape ? t.data<double>()[i] : std::nan(""); };
    row.step = static_cast<int64_t>(at(*step));
    for (const io::NamedTensor& t : file.tensors)
      if (t.name.starts_with(prefix)) row.values.emplace_back(t.name.substr(prefix.size()), at(t.tensor));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string number(const Tensor& t) { return t.dtype == DType::boolean ? (t.as_int() ? "true" : "false") : std::to_string(t.as_int()); }

}  // namespace

// checkpoint {path, a name per operand but the first}(ok, state..)
std::vector<Tensor> host_checkpoint(HostCall& call) {
  const auto& args = call.attr.args;
  Training& t = call.host.training();
  const auto step = std::find(args.begin() + 1, args.end(), "step");
  require(step != args.end(), "a checkpoint without a step");
  const int64_t at = call.operands[static_cast<size_t>(step - args.begin())].as_int();
  const bool ok = call.operands[0].as_int() != 0;
  const auto begin = Training::Clock::now();
  const bool due = t.checkpoint.empty() || t.writing <= kShare * seconds(begin - t.begun);
  if (ok && !due && at < t.steps) return {};
  // What is one step before a loss that is no number is no better than what was kept earlier; but the
  // best model there has been must not be lost. Nothing is kept if it is no number itself.
  const bool keeps_best = std::any_of(args.begin() + 1, args.end(), [](auto& name) { return name.starts_with("best."); });
  if (!ok && !keeps_best) return {};
  if (!ok && std::any_of(call.operands.begin() + 1, call.operands.end(), has_nan)) return {};
  std::vector<io::NamedTensor> tensors;
  for (size_t i = 1; i < call.operands.size(); ++i) tensors.push_back({args.at(i), std::move(call.operands[i])});
  put_history(t.rows, tensors);
  io::write_safetensors(args[0], std::move(tensors),
                        {{"tenon", "checkpoint"}, {"seed", std::to_string(call.host.seed)}}, call.where);
  t.checkpoint = args[0];
  t.checkpoint_step = at;
  t.keeps_best = keeps_best;
  t.writing += seconds(Training::Clock::now() - begin);
  return {};
}

// resume {path, a name per operand}(state..) -> the state in the file, or this one if there is no file
std::vector<Tensor> host_resume(HostCall& call) {
  const auto& args = call.attr.args;
  std::error_code ignored;
  if (!std::filesystem::exists(args[0], ignored)) return std::move(call.operands);
  const std::string shown = "'" + io::shown(args[0]) + "'";
  const std::string anew = "remove the file to begin anew, or name another one";
  const io::TensorFile file = io::read_safetensors(args[0], call.where);
  const auto mark = file.metadata.find("tenon");
  if (mark == file.metadata.end() || mark->second != "checkpoint")
    fail(Code::E0904, call.where, shown + " is there, but it is no checkpoint of a training",
         "a checkpoint needs a name of its own: checkpoint = \"net.ckpt\"", {}, Fault::data);
  std::vector<Note> wrong;
  for (size_t i = 0; i < call.operands.size(); ++i) {
    const std::string& name = args.at(i + 1);
    const Tensor* have = name.starts_with(kSetting) ? file.find(name) : nullptr;
    if (have && have->rank() == 0 && have->dtype == call.operands[i].dtype && have->as_int() != call.operands[i].as_int())
      wrong.push_back({{}, name.substr(kSetting.size()) + " is " + number(*have) + " in the file and " + number(call.operands[i]) + " here"});
  }
  const auto seed = file.metadata.find("seed");
  if (seed != file.metadata.end() && seed->second != std::to_string(call.host.seed))
    wrong.push_back({{}, "--seed is " + io::shown(seed->second) + " in the file and " + std::to_string(call.host.seed) + " here"});
  if (!wrong.empty())
    fail(Code::E0904, call.where, shown + " is a checkpoint of another training", anew, std::move(wrong), Fault::data);
  std::vector<Tensor> out = fitted(call, file, [](std::string_view name) { return name.starts_with(kHistory); }, anew);
  call.host.resumed(args[0], history_of(file));
  return out;
}

}  // namespace tenon
