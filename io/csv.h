// Tables of numbers as text: what the language's csv(path, label = ...) reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/dtype.h"
#include "runtime/tensor.h"
#include "support/diagnostic.h"

namespace tenon::io {

// The words of one column, which is read as their places in this list.
struct CsvClasses {
  std::string column;
  std::vector<std::string> words;
};

struct CsvOptions {
  std::optional<std::string> label;  // the column that becomes y; the others become x
  std::vector<std::string> columns;  // those of x, in this order; empty: all but the label
  std::vector<CsvClasses> classes;
  std::optional<double> missing;     // what an empty field is read as; without it, one is a fault
  DType dtype = DType::f32;          // of x: f32 or f64
  DType label_dtype = DType::i64;    // of y: i64, f32 or f64
  char separator = ',';
};

struct CsvTable {
  std::vector<std::string> columns;  // the names of x's columns; empty where the file has none
  Tensor x;                          // [rows, columns]
  std::optional<Tensor> y;           // [rows]
};

// Quotes as in RFC 4180, any line end, a BOM and blank lines are let be. The first line is a header
// unless all of it are numbers. Any fault is E0903 and says file:line:column; E0901 if the file
// cannot be read at all.
CsvTable read_csv(const std::string& path, const CsvOptions& options, Loc where);

// The same from a text; `name` stands in messages.
CsvTable parse_csv(std::string_view text, const std::string& name, const CsvOptions& options,
                   Loc where);

}  // namespace tenon::io
