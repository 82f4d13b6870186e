// Line editing by libedit; see line_editor.h.
#include "repl/line_editor.h"

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <fcntl.h>
#include <filesystem>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace tenon {
namespace {

constexpr int kHistoryLines = 5000;

// $XDG_STATE_HOME/tenon/history, else ~/.local/state/tenon/history; empty if there is no home.
std::string history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (state && state[0] == '/')
    folder = state;
  else if (home && *home)
    folder = std::string(home) + "/.local/state";
  else
    return {};
  folder += "/tenon";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return error ? std::string() : folder + "/history";
}

// Ctrl-C reaches the reader as a byte in a pipe: whichever thread the signal comes to, and even if
// it comes just before the reader waits, the reader wakes up.
int wake[2] = {-1, -1};
void on_interrupt(int) {
  int before = errno;
  (void)!::write(wake[1], "c", 1);
  errno = before;
}

// libedit's next character. 1: there is one; 0: the end; -1: interrupted or an error.
int read_character(EditLine*, wchar_t* out) {
  std::mbstate_t state{};
  for (;;) {
    pollfd sources[2] = {{wake[0], POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (::poll(sources, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (sources[0].revents != 0) return -1;  // left in the pipe: was_interrupted() asks for it
    char byte = 0;
    ssize_t got = ::read(STDIN_FILENO, &byte, 1);
    if (got <= 0) return got < 0 && errno == EINTR ? -1 : 0;
    size_t used = std::mbrtowc(out, &byte, 1, &state);
    if (used == static_cast<size_t>(-2)) continue;  // more bytes of this character follow
    if (used == static_cast<size_t>(-1)) {
      state = {};
      continue;  // not a character of this terminal's encoding
    }
    return 1;
  }
}

bool was_interrupted() {
  char bytes[16];
  return ::read(wake[0], bytes, sizeof bytes) > 0;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || static_cast<signed char>(c) < 0;
}

}  // namespace

struct LineEditor::Impl {
  EditLine* edit = nullptr;
  History* history = nullptr;
  struct sigaction before;  // what Ctrl-C did; while an editor lives, it never ends the process
  std::string prompt, history_file;
  std::function<std::vector<std::string>()> names;

  static Impl& of(EditLine* edit) {
    void* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }
  void remember(const std::string& text) {
    if (text.find_first_not_of(" \t\r\n") == text.npos) return;
    HistEvent event;
    ::history(history, &event, H_ENTER, text.c_str());
    if (!history_file.empty()) ::history(history, &event, H_SAVE, history_file.c_str());
  }
  static char* show_prompt(EditLine* edit) { return of(edit).prompt.data(); }

  // Tab: the rest of the name under the cursor, as far as all candidates agree; inside blanks, two
  // blanks, as blocks are indented.
  static unsigned char complete(EditLine* edit, int) {
    Impl& self = of(edit);
    const LineInfo* info = el_line(edit);
    const char* start = info->cursor;
    while (start > info->buffer && is_word(start[-1])) --start;
    std::string word(start, info->cursor);
    if (word.empty()) return el_insertstr(edit, "  ") == 0 ? CC_REFRESH : CC_ERROR;
    std::vector<std::string> found;
    if (self.names)
      for (std::string& name : self.names())
        if (name.starts_with(word)) found.push_back(std::move(name));
    if (found.empty()) return CC_REFRESH_BEEP;
    std::string common = found[0];
    for (const std::string& name : found)
      common.resize(static_cast<size_t>(
          std::mismatch(common.begin(), common.end(), name.begin(), name.end()).first -
          common.begin()));
    if (common.size() > word.size())
      return el_insertstr(edit, common.c_str() + word.size()) == 0 ? CC_REFRESH : CC_ERROR;
    if (found.size() == 1) return CC_NORM;
    std::sort(found.begin(), found.end());
    std::putchar('\n');
    for (size_t i = 0; i < found.size() && i < 40; ++i) std::printf("%s  ", found[i].c_str());
    std::puts(found.size() > 40 ? "..." : "");
    return CC_REDISPLAY;
  }
};

LineEditor::LineEditor() : impl_(std::make_unique<Impl>()) {
  if (!::isatty(0) || !::isatty(1)) return;
  const char* terminal = std::getenv("TERM");
  if (!terminal || std::strcmp(terminal, "dumb") == 0) return;
  // Which bytes make a character; numbers keep the C locale's point.
  if (!std::setlocale(LC_CTYPE, "") || std::strcmp(std::setlocale(LC_CTYPE, nullptr), "C") == 0)
    std::setlocale(LC_CTYPE, "C.UTF-8");
  if (wake[0] < 0 && ::pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) return;
  impl_->edit = el_init("tenon", stdin, stdout, stderr);
  if (!impl_->edit) return;
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, &impl_->before);
  impl_->history = history_init();
  HistEvent event;
  history(impl_->history, &event, H_SETSIZE, kHistoryLines);
  history(impl_->history, &event, H_SETUNIQUE, 1);
  impl_->history_file = history_path();
  if (!impl_->history_file.empty())
    history(impl_->history, &event, H_LOAD, impl_->history_file.c_str());
  EditLine* edit = impl_->edit;
  el_set(edit, EL_CLIENTDATA, impl_.get());
  el_set(edit, EL_GETCFN, &read_character);
  el_set(edit, EL_PROMPT, &Impl::show_prompt);
  el_set(edit, EL_EDITOR, "emacs");
  el_set(edit, EL_HIST, history, impl_->history);
  el_set(edit, EL_ADDFN, "tenon-complete", "complete a name", &Impl::complete);
  el_set(edit, EL_BIND, "^I", "tenon-complete", nullptr);
  el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(edit, nullptr);  // what the user set in ~/.editrc
}

LineEditor::~LineEditor() {
  if (impl_->edit) sigaction(SIGINT, &impl_->before, nullptr);
  if (impl_->edit) el_end(impl_->edit);
  if (impl_->history) history_end(impl_->history);
}

bool LineEditor::interactive() const { return impl_->edit != nullptr; }

void LineEditor::complete_with(std::function<std::vector<std::string>()> names) {
  impl_->names = std::move(names);
}

void LineEditor::remember(const std::string& entry) {
  if (impl_->edit) impl_->remember(entry);
}

LineEditor::Got LineEditor::read(const std::string& prompt, std::string& line) {
  Got got = Got::line;
  line.clear();
  if (impl_->edit) {
    impl_->prompt = prompt;
    int length = 0;
    const char* text = el_gets(impl_->edit, &length);
    if (was_interrupted()) {
      std::puts("^C");
      el_reset(impl_->edit);
      got = Got::interrupted;
    } else if (!text || length <= 0) {
      got = Got::end;
    } else {
      line.assign(text, static_cast<size_t>(length));
    }
  } else {
    char* text = nullptr;
    size_t room = 0;
    ssize_t length = ::getline(&text, &room, stdin);
    if (length >= 0)
      line.assign(text, static_cast<size_t>(length));
    else
      got = Got::end;
    std::free(text);
  }
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return got;
}

}  // namespace tenon
