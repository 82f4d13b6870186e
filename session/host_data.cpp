// Host functions that read data from files: npy, npz, idx, image, text.
#include <charconv>
#include <cstring>

#include "io/file.h"
#include "io/idx.h"
#include "io/image.h"
#include "io/npy.h"
#include "io/npz.h"
#include "session/host.h"
#include "session/texts.h"

namespace tenon {

namespace {

std::string found(const HostCall& call) {
  return io::locate(call.attr.args.at(0), folder_of(call.host.sources(), call.where), call.where);
}

std::string kind(DType dtype, int rank) {
  return std::string(name(dtype)) + " with " + std::to_string(rank) + (rank == 1 ? " axis" : " axes");
}

// The dtype and the number of axes are what the program was compiled for; sizes are checked by the program.
std::vector<Tensor> as_declared(const HostCall& call, Tensor tensor) {
  const ir::Type& want = call.attr.results.at(0);
  if (tensor.dtype != want.dtype || static_cast<size_t>(tensor.rank()) != want.rank())
    fail(Code::E0904, call.where,
         "'" + io::shown(call.attr.args[0]) + "' holds " + kind(tensor.dtype, tensor.rank()) + ", and " +
             kind(want.dtype, static_cast<int>(want.rank())) + " is wanted here",
         "a written type says what the file holds: let x: f32[N, D] = .., then cast(x, f64) converts it", {}, Fault::data);
  return {std::move(tensor)};
}

}  // namespace

std::vector<Tensor> host_npy(HostCall& call) { return as_declared(call, io::read_npy(found(call), call.where)); }

std::vector<Tensor> host_npz(HostCall& call) {  // {path, name of the array}
  return as_declared(call, io::read_npz(found(call), call.attr.args.at(1), call.where));
}

std::vector<Tensor> host_idx(HostCall& call) { return as_declared(call, io::read_idx(found(call), call.where)); }

std::vector<Tensor> host_image(HostCall& call) {  // {path, channels}
  const std::string& text = call.attr.args.at(1);
  int channels = 0;
  std::from_chars(text.data(), text.data() + text.size(), channels);
  return as_declared(call, io::read_image(found(call), channels, call.where));
}

std::vector<Tensor> host_text(HostCall& call) {
  const std::string bytes = io::read_file(found(call), call.where);
  Tensor out(DType::u8, {static_cast<int64_t>(bytes.size())});
  if (!bytes.empty()) std::memcpy(out.raw(), bytes.data(), bytes.size());
  return {std::move(out)};
}

}  // namespace tenon
