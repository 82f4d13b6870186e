// Building point programs: slots, instructions, and which slots may share memory.
#include <algorithm>

#include "ir/scalar/program.h"
#include "kernels/cpu/points.h"
#include "support/diagnostic.h"

namespace tenon::kernels {

int PointProgram::input(DType t) {
  Slot s{t, Kind::input};
  s.input = inputs_++;
  slots_.push_back(s);
  return static_cast<int>(slots_.size()) - 1;
}

int PointProgram::constant_bytes(DType t, const void* bytes) {
  Slot s{t, Kind::constant};
  std::memcpy(&s.constant, bytes, size_of(t));
  slots_.push_back(s);
  return static_cast<int>(slots_.size()) - 1;
}

int PointProgram::index(int axis) {
  Slot s{DType::i64, Kind::index};
  s.input = axis;
  slots_.push_back(s);
  reads_by_index_ = true;
  return static_cast<int>(slots_.size()) - 1;
}

int PointProgram::read(int which, DType t, const std::vector<int>& at) {
  require(at.size() <= kMaxRank, "a read has too many indices");
  Slot s{t, Kind::read};
  s.input = which;
  slots_.push_back(s);
  Instr i{Kind::read, ir::Op::read, static_cast<int>(slots_.size()) - 1, 0, {}};
  i.n = static_cast<int32_t>(at.size());
  for (size_t k = 0; k < at.size(); ++k) i.in[k] = at[k];
  code_.push_back(i);
  return i.out;
}

int PointProgram::op_n(ir::Op op, const int* in, int n) {
  DType t = slots_[in[op == ir::Op::select ? 1 : 0]].dtype;
  require(op != ir::Op::convert && scalar::takes(op, t) && n == ir::facts(op).operands,
          "a point operation does not take its operands");
  slots_.push_back({scalar::result_type(op, t), Kind::op});
  Instr i{Kind::op, op, static_cast<int>(slots_.size()) - 1, 0, {}};
  i.n = n;
  for (int k = 0; k < n; ++k) i.in[k] = in[k];
  code_.push_back(i);
  return i.out;
}

int PointProgram::convert(int in, DType to) {
  slots_.push_back({to, Kind::op});
  Instr i{Kind::op, ir::Op::convert, static_cast<int>(slots_.size()) - 1, 0, {}};
  i.n = 1;
  i.in[0] = in;
  code_.push_back(i);
  return i.out;
}

ir::Work PointProgram::work() const {
  ir::Work work;
  for (const Instr& i : code_)
    if (i.kind == Kind::op) {
      const DType t = slots_[i.out].dtype;
      work.add(t, ir::flops_of(i.op, t));
    }
  return work;
}

void PointProgram::result(int slot) { results_.push_back(slot); }

void PointProgram::finish() {
  // A slot's block is free again after the last instruction that reads it; results live to the end.
  std::vector<int> last(slots_.size(), -1);
  for (size_t k = 0; k < code_.size(); ++k)
    for (int j = 0; j < code_[k].n; ++j) last[code_[k].in[j]] = static_cast<int>(k);
  for (int r : results_) last[r] = static_cast<int>(code_.size());
  std::vector<int> free;
  for (size_t k = 0; k < code_.size(); ++k) {
    Slot& out = slots_[code_[k].out];
    // Taken before the operands are freed: an operation never writes over what it reads.
    if (free.empty()) {
      out.scratch = scratch_++;
    } else {
      out.scratch = free.back();
      free.pop_back();
    }
    for (int j = 0; j < code_[k].n; ++j) {
      int in = code_[k].in[j];
      if (last[in] != static_cast<int>(k) || slots_[in].scratch < 0) continue;
      if (std::find(code_[k].in, code_[k].in + j, in) != code_[k].in + j) continue;
      free.push_back(slots_[in].scratch);
    }
    if (last[code_[k].out] < 0) free.push_back(out.scratch);  // nobody reads it
  }
  finished_ = true;
}

}  // namespace tenon::kernels
