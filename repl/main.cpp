// The command `tenon`; everything is in command_line.cpp and the table of commands.
#include "repl/command.h"

int main(int count, char** words) {
  return tenon::run_command_line({words + (count > 0 ? 1 : 0), words + count});
}
