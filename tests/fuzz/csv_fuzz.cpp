// rooms: support ir runtime io
// The reader of csv files, with a label, with columns chosen by name and words in them, and without: any bytes are a table, or an error that says why.
#include "io/csv.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  io::CsvOptions plain, labelled, words;
  plain.dtype = DType::f64;
  labelled.label = "y";
  words.label = "y";
  words.columns = {"b", "a"};
  words.classes = {{"y", {"no", "yes"}}, {"a", {"0", "", "\""}}};
  words.missing = 2;
  for (const io::CsvOptions& options : {plain, labelled, words}) {
    try {
      const io::CsvTable table = io::parse_csv(text, "input.csv", options, {});
      fuzz::hold(table.x.rank() == 2, "a table has two axes");
      fuzz::hold(bool(table.y) == bool(options.label), "and a label where one was asked for");
      if (table.y) fuzz::hold(table.y->shape[0] == table.x.shape[0], "one for each row");
    } catch (const UserError&) {
    }
  }
  return 0;
}
