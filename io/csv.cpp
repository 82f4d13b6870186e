// The csv reader; see csv.h. One pass over the text, field by field; numbers are converted by
// from_chars, which rounds correctly and knows no locale.
#include "io/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "io/file.h"

namespace tenon::io {
namespace {

struct Field {
  std::string_view text;  // without quotes and blanks around it; doubled quotes still doubled
  size_t begin = 0;       // of the field as written, in the file
  bool quoted = false;
};

std::string_view trimmed(std::string_view text) {
  size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string unquoted(const Field& field) {
  std::string out(field.text);
  if (field.quoted)
    for (size_t at = 0; (at = out.find("\"\"", at)) != std::string::npos; ++at) out.erase(at, 1);
  return out;
}

template <class T>
std::optional<T> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text[0] == '+') return std::nullopt;
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small is 0 or the nearest subnormal; too large has no number to stand for it.
    if constexpr (std::is_floating_point_v<T>) {
      std::string copy(text);
      value = sizeof(T) == 4 ? std::strtof(copy.c_str(), nullptr)
                             : static_cast<T>(std::strtod(copy.c_str(), nullptr));
      if (std::isinf(value)) return std::nullopt;
      return value;
    }
    return std::nullopt;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<int64_t> whole_number(std::string_view text) {
  if (auto direct = number<int64_t>(text)) return direct;
  // 3.0 and 1e2 are whole numbers too, as some programs write their labels.
  auto value = number<double>(text);
  if (!value || *value != std::floor(*value) || std::fabs(*value) > 9007199254740992.0)
    return std::nullopt;
  return static_cast<int64_t>(*value);
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& name, const CsvOptions& options, Loc where)
      : text_(text), name_(name), options_(options), where_(where) {}

  CsvTable read() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    std::vector<Field> row;
    if (!next_row(row)) fault("'" + shown(name_) + "' is empty", "");
    read_header(row);
    if (x_columns_.empty()) fault(place(0) + ": the label is the only column", "");
    bool has_row = header_ ? next_row(row) : true;
    if (!has_row) fault("'" + shown(name_) + "' has a header and no rows", "");
    do {
      add_row(row);
      ++rows_;
    } while (next_row(row));
    return result();
  }

 private:
  [[noreturn]] void fault(std::string message, std::string hint) {
    fail(Code::E0903, where_, std::move(message), std::move(hint), {}, Fault::data);
  }

  std::string place(size_t offset) const {
    size_t line = 1 + static_cast<size_t>(std::count(text_.begin(), text_.begin() + offset, '\n'));
    size_t start = offset == 0 ? std::string_view::npos : text_.rfind('\n', offset - 1);
    size_t column = 1;  // in characters, as an editor counts
    for (size_t i = start == std::string_view::npos ? 0 : start + 1; i < offset; ++i)
      if ((static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80) ++column;
    return shown(name_) + ":" + std::to_string(line) + ":" + std::to_string(column);
  }

  bool at_line_end() const {
    return at_ >= text_.size() || text_[at_] == '\n' || text_[at_] == '\r';
  }

  // Reads the next row that is not blank; false at the end of the file.
  bool next_row(std::vector<Field>& row) {
    while (at_ < text_.size()) {
      row_begin_ = at_;
      row.clear();
      for (;;) {
        row.push_back(next_field());
        if (at_ < text_.size() && text_[at_] == options_.separator) {
          ++at_;
          continue;
        }
        break;
      }
      if (at_ < text_.size() && text_[at_] == '\r') ++at_;
      if (at_ < text_.size() && text_[at_] == '\n') ++at_;
      if (row.size() > 1 || row[0].quoted || !row[0].text.empty()) return true;
    }
    return false;
  }

  Field next_field() {
    Field field;
    field.begin = at_;
    size_t start = at_;
    while (start < text_.size() && (text_[start] == ' ' || text_[start] == '\t') &&
           text_[start] != options_.separator)
      ++start;
    if (start < text_.size() && text_[start] == '"') return quoted_field(field, start);
    while (!at_line_end() && text_[at_] != options_.separator) ++at_;
    field.text = trimmed(text_.substr(field.begin, at_ - field.begin));
    field.begin = std::min(start, at_);
    return field;
  }

  Field quoted_field(Field field, size_t quote) {
    field.begin = quote;
    field.quoted = true;
    at_ = quote + 1;
    for (;;) {
      size_t end = text_.find('"', at_);
      if (end == std::string_view::npos)
        fault(place(quote) + ": a quotation mark is opened here and never closed", "");
      if (end + 1 < text_.size() && text_[end + 1] == '"') {
        at_ = end + 2;
        continue;
      }
      field.text = text_.substr(quote + 1, end - quote - 1);
      at_ = end + 1;
      while (!at_line_end() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
      if (!at_line_end() && text_[at_] != options_.separator)
        fault(place(at_) + ": text after a closing quotation mark",
              "inside quotation marks, a quotation mark is written twice");
      return field;
    }
  }

  void read_header(const std::vector<Field>& row) {
    width_ = row.size();
    bool all_numbers = true;
    for (const Field& field : row) {
      all_names_.push_back(unquoted(field));
      all_numbers = all_numbers && number<double>(field.text);
    }
    // Numbers may be names too (0, 1, .., label 64); but only what asks for a column can tell us so.
    auto is_name = [&](const std::string& asked) { return std::ranges::find(all_names_, asked) != all_names_.end(); };
    header_ = !all_numbers || (options_.label && is_name(*options_.label)) || std::ranges::any_of(options_.columns, is_name);
    if (options_.label) label_ = column(*options_.label, row, "which is the label");
    if (!options_.columns.empty()) {
      for (const std::string& asked : options_.columns) x_columns_.push_back(column(asked, row, "which is asked for"));
    } else {
      for (size_t i = 0; i < width_; ++i)
        if (i != label_) x_columns_.push_back(i);
    }
    words_.resize(width_);
    for (const CsvClasses& c : options_.classes) words_[column(c.column, row, "whose classes are given")] = &c.words;
    if (header_)
      for (size_t i : x_columns_) names_.push_back(all_names_[i]);
    else
      all_names_.clear();
  }

  // The place of the column of this name.
  size_t column(const std::string& asked, const std::vector<Field>& row, const std::string& as) {
    std::optional<size_t> found;
    if (header_)
      for (size_t i = 0; i < all_names_.size(); ++i)
        if (all_names_[i] == asked) {
          if (found)
            fault(place(row[i].begin) + ": a second column is called '" + shown(asked) + "', " + as, "rename one of them");
          found = i;
        }
    if (found) return *found;
    std::string message = "'" + shown(name_) + "' has no column '" + shown(asked) + "'";
    if (!header_) fault(message, "its first line has numbers and no names: a header is missing");
    std::vector<std::string> near = near_misses(asked, all_names_);
    if (!near.empty()) fault(message, "there is a column '" + shown(near[0]) + "'");
    std::string list;
    for (size_t i = 0; i < all_names_.size() && i < 8; ++i)
      list += (i ? ", " : "") + std::string(shown(all_names_[i]));
    if (all_names_.size() > 8) list += ", ... and " + shown(all_names_.back());
    fault(message, "its columns are " + list);
  }

  void add_row(const std::vector<Field>& row) {
    if (row.size() != width_) {
      std::string expected = header_ ? "the header has " : "the first line has ";
      fault(place(row.size() < width_ ? row_begin_ : row[width_].begin) + ": this row has " +
                std::to_string(row.size()) + (row.size() == 1 ? " field, " : " fields, ") +
                expected + std::to_string(width_),
            "");
    }
    for (size_t i : x_columns_) add(row[i], options_.dtype, x_, i);
    if (label_) add(row[*label_], options_.label_dtype, y_, *label_);
  }

  template <class T>
  static void append(std::string& bytes, T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void add(const Field& field, DType dtype, std::string& bytes, size_t column) {
    if (field.text.empty() && options_.missing) return put(*options_.missing, dtype, bytes);
    if (words_[column]) return put(class_of(field, column), dtype, bytes);
    if (dtype == DType::i64) {
      if (auto value = whole_number(field.text)) return append(bytes, *value);
    } else if (dtype == DType::f64) {
      if (auto value = number<double>(field.text)) return append(bytes, *value);
    } else {
      require(dtype == DType::f32, "csv columns are f32, f64 or i64");
      if (auto value = number<float>(field.text)) return append(bytes, *value);
    }
    not_a_number(field, dtype, column);
  }

  static void put(double value, DType dtype, std::string& bytes) {
    if (dtype == DType::i64) append(bytes, static_cast<int64_t>(value));
    else if (dtype == DType::f64) append(bytes, value);
    else append(bytes, static_cast<float>(value));
  }

  double class_of(const Field& field, size_t column) {
    const std::vector<std::string>& words = *words_[column];
    const std::string word = unquoted(field);
    const auto at = std::ranges::find(words, word);
    if (at != words.end()) return static_cast<double>(at - words.begin());
    std::string list;
    for (size_t i = 0; i < words.size() && i < 8; ++i) list += (i ? ", " : "") + std::string(shown(words[i]));
    if (words.size() > 8) list += ", ... and " + shown(words.back());
    fault(place(field.begin) + ": \"" + shown(word.substr(0, 60)) + "\" is none of the classes of column '" +
              shown(all_names_[column]) + "'",
          "the classes are " + list);
  }

  [[noreturn]] void not_a_number(const Field& field, DType dtype, size_t column) {
    std::string wanted = dtype == DType::i64 ? "a whole number" : "a number";
    std::string in = header_ ? " in column '" + shown(all_names_[column]) + "'"
                             : " in column " + std::to_string(column + 1);
    std::string found =
        field.text.empty() ? "found nothing" : "found \"" + shown(field.text.substr(0, 60)) + "\"";
    std::string hint;
    bool is_float = number<double>(field.text).has_value();
    const std::string& head = header_ ? all_names_[column] : name_;
    if (field.text.empty())
      hint = "a missing number may be written as nan, or csv(.., missing = nan)";
    else if (header_ && !is_float)
      hint = "name the words that stand for 0, 1, ..: csv(.., classes = {" + shown(head) + ": [\"" + shown(field.text.substr(0, 60)) +
             "\", ..]}), or leave the column out: columns = [..]";
    else if (dtype == DType::i64 && is_float)
      hint = "give csv a type, {x: f32[N, D], y: f32[N]}, for labels with a fraction";
    else if (dtype == DType::f32 && is_float)
      hint = "the number is too large for f32";
    fault(place(field.begin) + ": expected " + wanted + in + ", " + found, hint);
  }

  CsvTable result() {
    CsvTable table;
    table.columns = std::move(names_);
    table.x = Tensor(options_.dtype, {rows_, static_cast<int64_t>(x_columns_.size())});
    std::memcpy(table.x.raw(), x_.data(), x_.size());
    if (label_) {
      table.y = Tensor(options_.label_dtype, {rows_});
      std::memcpy(table.y->raw(), y_.data(), y_.size());
    }
    return table;
  }

  std::string_view text_;
  const std::string& name_;
  const CsvOptions& options_;
  Loc where_;
  size_t at_ = 0, row_begin_ = 0;
  bool header_ = false;
  size_t width_ = 0;
  std::optional<size_t> label_;
  std::vector<size_t> x_columns_;
  std::vector<const std::vector<std::string>*> words_;  // a column's classes, null where it has numbers
  std::vector<std::string> names_, all_names_;
  int64_t rows_ = 0;
  std::string x_, y_;  // the numbers' bytes
};

}  // namespace

CsvTable parse_csv(std::string_view text, const std::string& name, const CsvOptions& options,
                   Loc where) {
  return Reader(text, name, options, where).read();
}

CsvTable read_csv(const std::string& path, const CsvOptions& options, Loc where) {
  return parse_csv(read_file(path, where), path, options, where);
}

}  // namespace tenon::io
