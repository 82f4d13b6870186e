// One line at a time from whoever types: with editing, history and completion on a terminal, plain
// lines from a pipe. The only file that knows libedit is line_editor.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tenon {

class LineEditor {
 public:
  enum class Got { line, end, interrupted };

  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  bool interactive() const;  // on a terminal: prompts make sense
  // The line comes without its line end; what comes back from the history may have several.
  // `end` is Ctrl-D or the end of the input.
  Got read(const std::string& prompt, std::string& line);
  // What Up brings back as a whole: an entry, with all its lines.
  void remember(const std::string& entry);
  // What the names are that Tab completes.
  void complete_with(std::function<std::vector<std::string>()> names);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
