// The public C++ interface over a session (include/tenon/tenon.h): nothing but translation, of views to
// tensors, of diagnostics to errors, and of exceptions to nothing at all.
#include "tenon/tenon.h"

#include <cstdio>
#include <cstdlib>
#include <new>

#include "session/session.h"

namespace tenon::embed {

namespace {

static_assert(static_cast<int>(DType::f64) == static_cast<int>(tenon::DType::f64) &&
              static_cast<int>(DType::boolean) == static_cast<int>(tenon::DType::boolean));

tenon::DType inner(DType t) { return static_cast<tenon::DType>(t); }

Error error_of(const Diagnostic& d, const SourceMap& sources) {
  Error e;
  e.code = code_name(d.code);
  e.message = d.message;
  e.hint = d.hint;
  if (d.where.known()) {
    e.file = sources.name(d.where.file);
    const LineColumn at = sources.line_column(d.where.file, d.where.begin);
    e.line = at.line;
    e.column = at.column;
  }
  e.text = render(d, sources);
  e.in_program = d.fault == Fault::program;
  return e;
}

// The first error; the text of all of them.
std::optional<Error> first_error(const Diagnostics& list, const SourceMap& sources) {
  std::optional<Error> out;
  for (const Diagnostic& d : list) {
    if (d.warning) continue;
    if (!out) out = error_of(d, sources);
    else out->text += render(d, sources);
  }
  return out;
}

Error call_error(Code code, std::string message, std::string hint = {}) {
  return error_of({code, {}, std::move(message), {}, std::move(hint)}, SourceMap());
}

Error no_memory() {
  Error e;
  e.code = "E0805";
  e.in_program = false;
  return e;  // short of memory a message may be too much to ask for
}

// Whether the tensor's memory is the host's, seen from its buffer.
Tensor owned(Tensor t) {
  t = t.packed();
  if (!t.buffer->borrowed() && t.offset == 0 && t.buffer->size() <= 2 * static_cast<size_t>(t.bytes()) + 4096) return t;
  // Of the host's memory, or a small part of a large buffer: a copy of its own.
  Tensor copy(t.dtype, t.shape);
  std::copy_n(static_cast<const char*>(t.raw()), t.bytes(), static_cast<char*>(copy.raw()));
  return copy;
}

}  // namespace

void misused(const char* what) {
  std::fprintf(stderr, "tenon: wrong use of tenon/tenon.h: %s\n", what);
  std::abort();
}

std::string_view name(DType t) { return tenon::name(inner(t)); }
size_t size_of(DType t) { return tenon::size_of(inner(t)); }

void Output::expect(DType t) const {
  if (t != dtype_) misused("an Output is read as another dtype than its own");
}

const void* Output::fetched() const { return static_cast<const Tensor*>(memory_.get())->raw(); }

struct Session::Impl {
  std::optional<tenon::Session> session;
  std::optional<Error> absent;  // the device, and so the session
};

Session::Session(Options options) {
  SessionOptions o;
  o.mode = options.mode == Options::eager ? Mode::eager : Mode::graph;
  o.threads = options.threads;
  o.seed = options.seed;
  o.output = std::move(options.output);
  o.device = std::move(options.device);
  impl_ = std::make_unique<Impl>();
  try {
    impl_->session.emplace(std::move(o));
  } catch (const UserError& error) {
    impl_->absent = error_of(error.diagnostic, SourceMap());
  }
}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::optional<Error> Session::load(const std::string& path) {
  if (impl_->absent) return impl_->absent;
  try {
    return first_error(impl_->session->run_file(path), impl_->session->sources());
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const std::exception& error) {
    bug(error.what());
  }
}

std::optional<Error> Session::load_text(std::string_view text, const std::string& name) {
  if (impl_->absent) return impl_->absent;
  try {
    return first_error(impl_->session->run_text(name, text, false).diagnostics, impl_->session->sources());
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const std::exception& error) {
    bug(error.what());
  }
}

Result<std::vector<Output>> Session::call(const std::string& function,
                                          const std::vector<TensorView>& arguments) {
  if (impl_->absent) return *impl_->absent;
  tenon::Session& session = *impl_->session;
  try {
    std::vector<Tensor> tensors;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const TensorView& v = arguments[i];
      if (v.output_) {
        tensors.push_back(*static_cast<const Tensor*>(v.output_.get()));
        continue;
      }
      const std::string which = "argument " + std::to_string(i) + " of the call of `" + function + "` ";
      if (v.shape.size() > kMaxRank)
        return call_error(Code::E0303, which + "has " + std::to_string(v.shape.size()) + " axes; 8 are the most");
      if (!v.strides.empty() && v.strides.size() != v.shape.size())
        return call_error(Code::E0303, which + "has " + std::to_string(v.shape.size()) + " axes and " +
                                           std::to_string(v.strides.size()) + " strides");
      Tensor t;
      t.dtype = inner(v.dtype);
      int64_t last = 0;
      bool empty = false;
      for (size_t k = 0; k < v.shape.size(); ++k) {
        if (v.shape[k] < 0 || (!v.strides.empty() && v.strides[k] < 0))
          return call_error(Code::E0303, which + "has a negative size or stride");
        t.shape.push_back(v.shape[k]);
        empty |= v.shape[k] == 0;
      }
      t.strides = v.strides.empty() ? row_major(t.shape) : Extents(std::span<const int64_t>(v.strides));
      for (int k = 0; k < t.rank(); ++k) last += (t.shape[k] - 1) * t.strides[k];
      if (!v.data && !empty) misused("a TensorView without data");
      const size_t bytes = empty ? 0 : static_cast<size_t>(last + 1) * tenon::size_of(t.dtype);
      t.buffer = Buffer::borrow(const_cast<void*>(v.data), bytes, [] {});
      tensors.push_back(std::move(t));
    }
    tenon::Session::CallResult called = session.call(function, std::move(tensors));
    if (auto error = first_error(called.diagnostics, session.sources())) return std::move(*error);
    std::vector<Output> out;
    for (tenon::Session::Result& r : called.results) {
      auto kept = std::make_shared<Tensor>(owned(std::move(r.value)));
      Output o;
      o.name_ = std::move(r.name);
      o.dtype_ = static_cast<DType>(kept->dtype);
      o.shape_.assign(kept->shape.begin(), kept->shape.end());
      o.count_ = kept->count();
      if (kept->buffer->on_host()) o.data_ = kept->raw();
      o.memory_ = std::move(kept);
      out.push_back(std::move(o));
    }
    return out;
  } catch (const UserError& error) {
    return error_of(error.diagnostic, session.sources());
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const std::exception& error) {
    bug(error.what());
  }
}

std::string Session::stats() const { return impl_->session ? impl_->session->stats() : std::string(); }

void Session::interrupt() {
  if (impl_->session) impl_->session->interrupt();
}

}  // namespace tenon::embed
