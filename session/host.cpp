// The table of host functions, and printing (host.h).
#include "session/host.h"

#include <charconv>

#include "runtime/format.h"

namespace tenon {

namespace {

constexpr HostRow kRows[] = {
    {"checkpoint", host_checkpoint},
    {"csv", host_csv},
    {"expect_fails", host_expect_fails},
    {"history", host_history},
    {"idx", host_idx},
    {"image", host_image},
    {"load", host_load},
    {"npy", host_npy},
    {"npz", host_npz},
    {"print", host_print},
    {"read", host_read},
    {"resume", host_resume},
    {"save", host_save},
    {"text", host_text},
    {"train_begin", host_train_begin},
    {"train_end", host_train_end},
    {"train_epoch", host_train_epoch},
    {"train_log", host_train_log},
    {"train_pace", host_train_pace},
    {"train_step", host_train_step},
};

}  // namespace

std::span<const HostRow> host_functions() { return kRows; }

std::vector<Tensor> SessionHost::host(const ir::HostAttr& attr, std::vector<Tensor> operands, Loc where) {
  for (const HostRow& row : kRows)
    if (row.name == attr.name) {
      HostCall call{*this, attr, std::move(operands), where};
      return row.function(call);
    }
  bug("there is no host function " + attr.name);
}

void SessionHost::debug(std::string_view text, std::span<const Tensor> shown) {
  print(fill_template(text, shown) + "\n");
}

void SessionHost::print(std::string_view text) {
  if (kept_) {
    kept_->append(text);
    return;
  }
  end_progress();
  output_(text);
}

std::vector<Tensor> host_print(HostCall& call) {
  call.host.print(fill_template(call.attr.args.at(0), call.operands) + "\n");
  return {};
}

// expect_fails {text, function, number of sizes}: sizes, then arguments. `assert fails(e, "text")`:
// running the function must end with a message that holds the text.
std::vector<Tensor> host_expect_fails(HostCall& call) {
  const auto& args = call.attr.args;
  auto number = [](const std::string& s) {
    uint32_t n = 0;
    std::from_chars(s.data(), s.data() + s.size(), n);
    return n;
  };
  const ir::FnId fn = number(args.at(1));
  const uint32_t count = number(args.at(2));
  std::vector<int64_t> sizes;
  for (uint32_t i = 0; i < count; ++i) sizes.push_back(call.operands[i].as_int());
  std::vector<Tensor> arguments(call.operands.begin() + count, call.operands.end());
  std::string dropped;  // what a run that is meant to fail prints is of no interest
  std::string* before = call.host.kept();
  call.host.keep_in(&dropped);
  try {
    call.host.run(fn, sizes, std::move(arguments));
  } catch (const UserError& error) {
    call.host.keep_in(before);
    const Diagnostic& d = error.diagnostic;
    if (d.code == Code::E0807) throw;
    if (d.message.find(args[0]) == std::string::npos)
      fail(Code::E0804, call.where, "this fails, but its message is another: " + d.message, "", {},
           Fault::data);
    return {};
  } catch (...) {
    call.host.keep_in(before);
    throw;
  }
  call.host.keep_in(before);
  fail(Code::E0804, call.where, "this does not fail", "", {}, Fault::data);
}

}  // namespace tenon
