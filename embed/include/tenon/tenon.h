// Tenon inside of a C++ program.
//
//   tenon::embed::Session session;
//   if (auto error = session.load("classifier.model")) { std::cerr << error->text; return 1; }
//   std::vector<float> pixels = ...;
//   auto called = session.call("classify", {{pixels.data(), {rows, 64}}});
//   if (!called) { std::cerr << called.error().text; return 1; }
//   const tenon::embed::Output& probabilities = called.value()[0];
//   for (float p : probabilities.as<float>()) ...
//
// Link with the library `tenon_embed`. This header includes nothing but the C++ standard library
// and shows nothing of what is inside.
//
// ERRORS are values. No exception leaves load or call, not even std::bad_alloc: whatever is wrong with
// a program, its data or a call comes back as an Error. What the program itself got
// wrong with this header (a view whose pointer is null, a result that was not looked at before it was
// taken) ends the process with a message.
//
// THREADS. A Session is used by one thread at a time; two sessions have nothing in common and may be
// used by two threads at once. `interrupt` alone may be called at any time from any thread and from a
// signal handler. A thread that loads programs needs 8 MB of stack, which is what most threads of most
// systems have (not those of musl and macOS). An Output is a value of its own: it may be kept after its session is gone, and read
// by several threads at once.
//
// MEMORY. Arguments are read where they lie: nothing is copied, and nothing is written to. They must
// stay as they are until `call` returns, and no longer: what a result needs of an argument is copied
// before. Outputs own their memory.
//
// DEVICES. With Options::device a session works on a GPU. What a call gives stays there until somebody asks for
// its elements, and an Output that is handed to a call as it is is not copied: so state stays on the device
// between calls. Elements of such an Output are fetched at the first `data`, `as` or `number`, by the thread that
// uses the session; sessions on one GPU are used by one thread between them.
//
// COMPILING. A function is compiled for each combination of dtypes and ranks that it is called with,
// at the first such call, and never for sizes: one compile serves every batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::embed {

// The types that elements can have. f16 and bf16 are 16 bits that C++20 has no type for.
enum class DType : unsigned char { boolean, i8, u8, i32, i64, f16, bf16, f32, f64 };

std::string_view name(DType t);  // as in the language: "f32"
size_t size_of(DType t);         // in bytes

// The dtype of a C++ type. Others do not compile.
template <class T> struct dtype_of;
template <> struct dtype_of<bool> { static constexpr DType value = DType::boolean; };
template <> struct dtype_of<int8_t> { static constexpr DType value = DType::i8; };
template <> struct dtype_of<uint8_t> { static constexpr DType value = DType::u8; };
template <> struct dtype_of<int32_t> { static constexpr DType value = DType::i32; };
template <> struct dtype_of<int64_t> { static constexpr DType value = DType::i64; };
template <> struct dtype_of<float> { static constexpr DType value = DType::f32; };
template <> struct dtype_of<double> { static constexpr DType value = DType::f64; };

// What went wrong. `code` is the same for the same kind of mistake in every version; the manual tells
// its story (`tenon explain E0301`).
struct Error {
  std::string code;     // "E0301"
  std::string message;  // one sentence
  std::string hint;     // a way out; may be empty
  std::string file;     // where in the program; empty and 0 where the call itself is wrong
  uint32_t line = 0, column = 0;
  std::string text;     // all of it with the lines of the program, as the command line shows it
  // Who can mend it: the program text or the call (true), or the data and files it met (false).
  bool in_program = true;
};

// A value, or the error that stands in its place.
template <class T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return value_.has_value(); }
  bool ok() const { return value_.has_value(); }
  T& value() { require(value_.has_value()); return *value_; }
  const T& value() const { require(value_.has_value()); return *value_; }
  const Error& error() const { require(!value_.has_value()); return *error_; }

 private:
  static void require(bool good);
  std::optional<T> value_;
  std::optional<Error> error_;
};

class Output;

// An argument: elements of the host program, where they lie, row-major unless strides say otherwise.
// Strides count elements, not bytes; negative ones are refused. A rank of 0 is a single number.
struct TensorView {
  const void* data = nullptr;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // empty: row-major

  TensorView() = default;
  TensorView(const Output& output);  // of this session or another: wherever it lies
  template <class T>
  TensorView(const T* elements, std::vector<int64_t> shape_, std::vector<int64_t> strides_ = {})
      : data(elements), dtype(dtype_of<T>::value), shape(std::move(shape_)), strides(std::move(strides_)) {}
  TensorView(const void* elements, DType t, std::vector<int64_t> shape_, std::vector<int64_t> strides_ = {})
      : data(elements), dtype(t), shape(std::move(shape_)), strides(std::move(strides_)) {}

 private:
  friend class Session;
  std::shared_ptr<const void> output_;
};

// A result. Its elements lie row-major without gaps. Copies share them.
class Output {
 public:
  // "" for a plain result; of a record, tuple or model the path in it: "loss", "grad.fc1.weight".
  const std::string& name() const { return name_; }
  DType dtype() const { return dtype_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t count() const { return count_; }  // of elements: the product of the shape
  const void* data() const { return data_ ? data_ : fetched(); }

  // The elements as C++ values; ends the process if T is not what dtype() says.
  template <class T>
  std::span<const T> as() const {
    expect(dtype_of<T>::value);
    return {static_cast<const T*>(data()), static_cast<size_t>(count_)};
  }
  // The number itself of a result with one element.
  template <class T>
  T number() const { return as<T>()[0]; }

 private:
  friend class Session;
  friend struct TensorView;
  void expect(DType t) const;
  const void* fetched() const;
  std::string name_;
  DType dtype_ = DType::f32;
  std::vector<int64_t> shape_;
  int64_t count_ = 0;
  const void* data_ = nullptr;  // null: on a device
  std::shared_ptr<const void> memory_;
};

inline TensorView::TensorView(const Output& output) : dtype(output.dtype_), shape(output.shape_), output_(output.memory_) {}

struct Options {
  enum Mode { eager, graph } mode = graph;  // node by node, or compiled; the results are the same bits
  int threads = 0;                          // 0: as many as the machine grants
  uint64_t seed = 0;                        // of every draw
  // "cpu", "gpu" or "cudasim", the emulator of one. Where it is not there, every load and call says so.
  std::string device = "cpu";
  // What the program prints; stdout when empty. Called on the thread that uses the session.
  std::function<void(std::string_view)> output;
};

// A program that has been loaded: its functions and the values its top level has defined.
class Session {
 public:
  Session() : Session(Options{}) {}
  explicit Session(Options options);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // Runs a program's top level, which may itself load data and parameters, and keeps what it
  // defines. A second one may use what the first has defined. Nothing is kept of one that fails.
  std::optional<Error> load(const std::string& path);
  // The same of a text; `name` stands in its messages.
  std::optional<Error> load_text(std::string_view text, const std::string& name = "text");

  // Calls a function of the top level, or a model (its forward). The results come in the order of the
  // value's leaves, by name.
  Result<std::vector<Output>> call(const std::string& function, const std::vector<TensorView>& arguments);

  // What was run and compiled so far, and what a GPU did, for people: as `tenon run --stats` shows it.
  std::string stats() const;

  // Asks the call or load that is running to stop; it comes back with E0807.
  void interrupt();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// ---------------------------------------------------------------- not for calling

[[noreturn]] void misused(const char* what);

template <class T>
void Result<T>::require(bool good) {
  if (!good) misused("a Result was asked for what it does not hold");
}

}  // namespace tenon::embed
