// Host functions that read and write files: csv, read, save, load.
#include <cstdlib>

#include "io/csv.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "runtime/trap.h"
#include "session/host.h"
#include "session/texts.h"

namespace tenon {

namespace {

std::string shape_text(const Tensor& t) {
  std::string out = std::string(name(t.dtype)) + "[";
  for (int i = 0; i < t.rank(); ++i) out += (i > 0 ? ", " : "") + std::to_string(t.shape[i]);
  return out + "]";
}

std::string found(const HostCall& call, const std::string& path) {
  return io::locate(path, folder_of(call.host.sources(), call.where), call.where);
}

}  // namespace

// csv {path, then pairs of a key and a text} -> x[N, D], and with the key `label` y[N]. The dtypes are those of the results.
// The other keys: `column` (of x, once for each), `class NAME` (a word of the column NAME, in order), `missing` (a number).
std::vector<Tensor> host_csv(HostCall& call) {
  const auto& args = call.attr.args;
  io::CsvOptions options;
  options.dtype = call.attr.results.at(0).dtype;
  for (size_t i = 1; i + 1 < args.size(); i += 2) {
    const std::string &key = args[i], &text = args[i + 1];
    if (key == "label") {
      options.label = text;
      options.label_dtype = call.attr.results.at(1).dtype;
    } else if (key == "column") {
      options.columns.push_back(text);
    } else if (key == "missing") {
      options.missing = std::strtod(text.c_str(), nullptr);
    } else {
      require(key.starts_with("class "), "csv: a key that nobody knows");
      const std::string column = key.substr(6);
      if (options.classes.empty() || options.classes.back().column != column) options.classes.push_back({column, {}});
      options.classes.back().words.push_back(text);
    }
  }
  io::CsvTable table = io::read_csv(found(call, args.at(0)), options, call.where);
  std::vector<Tensor> out{std::move(table.x)};
  if (table.y) out.push_back(std::move(*table.y));
  return out;
}

// save {path, a name per operand}
std::vector<Tensor> host_save(HostCall& call) {
  const auto& args = call.attr.args;
  std::vector<io::NamedTensor> tensors;
  for (size_t i = 0; i < call.operands.size(); ++i)
    tensors.push_back({args.at(i + 1), std::move(call.operands[i])});
  io::write_safetensors(args.at(0), std::move(tensors), {}, call.where);
  return {};
}

// What `load` and a checkpoint take out of a file. Behind the names of the operands stand pairs of such a
// name and another one of the same tensor: a file may have it under either, and under both if they agree.
std::vector<Tensor> fitted(const HostCall& call, const io::TensorFile& file,
                           const std::function<bool(std::string_view)>& skip, const std::string& hint) {
  const auto& args = call.attr.args;
  std::vector<Tensor> out;
  std::vector<Note> wrong;
  for (size_t i = 0; i < call.operands.size(); ++i) {
    const std::string& name = args.at(i + 1);
    const Tensor& want = call.operands[i];
    const Tensor* have = file.find(name);
    for (size_t k = call.operands.size() + 1; k + 1 < args.size(); k += 2) {
      const Tensor* other = args[k] == name ? file.find(args[k + 1]) : nullptr;
      if (have && other && !same_bits(*have, *other))
        wrong.push_back({{}, name + " and " + args[k + 1] + " are one tensor here, and differ in the file"});
      if (!have) have = other;
    }
    if (!have)
      wrong.push_back({{}, "missing in the file: " + name + ", which is " + shape_text(want)});
    else if (have->dtype != want.dtype || !(have->shape == want.shape))
      wrong.push_back({{}, name + " is " + shape_text(*have) + " in the file and " + shape_text(want) + " here"});
    out.push_back(have ? *have : Tensor());
  }
  for (const io::NamedTensor& t : file.tensors)
    if (!skip(t.name) && std::find(args.begin() + 1, args.end(), t.name) == args.end())
      wrong.push_back({{}, "only in the file: " + io::shown(t.name) + ", which is " + shape_text(t.tensor)});
  if (!wrong.empty()) {
    const std::string count = wrong.size() == 1 ? "one entry" : std::to_string(wrong.size()) + " entries";
    const std::string verb = wrong.size() == 1 ? " differs" : " differ";
    fail(Code::E0904, call.where, "'" + io::shown(args[0]) + "' does not fit what is loaded into: " + count + verb, hint,
         std::move(wrong), Fault::data);
  }
  return out;
}

// read {path, a name per result}: the tensors of these names; others in the file are left there.
std::vector<Tensor> host_read(HostCall& call) {
  const auto& args = call.attr.args;
  const std::string path = found(call, args.at(0));
  io::TensorFile file;
  if (path.ends_with(".npy")) file.tensors.push_back({"value", io::read_npy(path, call.where)});
  else file = io::read_safetensors(path, call.where);
  std::vector<Tensor> out;
  std::vector<Note> wrong;
  std::string all;
  for (const io::NamedTensor& t : file.tensors) all += (all.empty() ? "" : ", ") + io::shown(t.name);
  for (size_t i = 0; i < call.attr.results.size(); ++i) {
    const ir::Type& want = call.attr.results[i];
    const Tensor* have = file.find(args.at(i + 1));
    const std::string wanted = std::string(name(want.dtype)) + " with " + std::to_string(want.rank()) + (want.rank() == 1 ? " axis" : " axes");
    if (!have) wrong.push_back({{}, "missing in the file: " + args[i + 1] + ", which is " + wanted});
    else if (have->dtype != want.dtype || have->rank() != static_cast<int>(want.rank()))
      wrong.push_back({{}, args[i + 1] + " is " + shape_text(*have) + " in the file, and " + wanted + " here"});
    out.push_back(have ? *have : Tensor());
  }
  if (!wrong.empty())
    fail(Code::E0904, call.where, "'" + io::shown(args[0]) + "' does not hold what the type says",
         all.size() > 300 ? std::to_string(file.tensors.size()) + " tensors are in the file" : "in the file are " + all, std::move(wrong), Fault::data);
  return out;
}

// load {path, a name per operand, other names (fitted)}: the tensors of these names, of the operands' dtypes and shapes. Of a
// checkpoint the part that has these names: its best model, its model, or its optimizer.
std::vector<Tensor> host_load(HostCall& call) {
  const auto& args = call.attr.args;
  io::TensorFile file = io::read_safetensors(found(call, args.at(0)), call.where);
  if (auto mark = file.metadata.find("tenon"); mark != file.metadata.end() && mark->second == "checkpoint")
    for (const std::string part : {"best.net.", "net.", "optimizer."}) {
      io::TensorFile inner;
      for (const io::NamedTensor& t : file.tensors)
        if (t.name.starts_with(part)) inner.tensors.push_back({t.name.substr(part.size()), t.tensor});
      const auto first = args.begin() + 1, last = first + static_cast<long>(call.operands.size());
      const bool all = std::all_of(first, last, [&](auto& name) { return inner.find(name); });
      if (all && inner.tensors.size() == call.operands.size()) {
        file = std::move(inner);
        break;
      }
    }
  return fitted(call, file, [](std::string_view) { return false; }, "a file fits the model that it was saved from");
}

}  // namespace tenon
