// How many floating-point operations an instruction stands for, with the sizes of this run: what
// `tenon bench` counts. Moves, choices and whole numbers count nothing (ir/cost.h).
#include "ir/cost.h"
#include "jit/interp/handlers.h"

namespace tenon::interp {

namespace {

double product(const Extents& shape) {
  double n = 1;
  for (int64_t extent : shape) n *= static_cast<double>(extent);
  return n;
}

ir::Work times(ir::Work work, double count) { return {work.f32 * count, work.f64 * count}; }

}  // namespace

ir::Work work_of(const Run& r, const Instr& in, const ir::Node* node) {
  ir::Work work;
  if (in.run == run_group) {
    const auto& p = *static_cast<const Points*>(in.data);
    return times(p.program.work(), product(p.shape.eval(r)));
  }
  if (in.run == run_contract) {
    const auto& c = *static_cast<const Contracted*>(in.data);
    double turns = 1;
    for (const SizeRef& range : c.range) turns *= static_cast<double>(range.eval(r));
    work.add(c.dtype, 2 * turns);
    return work;
  }
  if (in.run == run_reduce || in.run == run_scan) {
    const Tensor& x = r.peek(in.a);
    work.add(x.dtype, static_cast<double>(x.count()));
    return work;
  }
  if (in.run == run_map || in.run == run_scatter) {
    const auto& m = *static_cast<const Mapped*>(in.data);
    const Extents red = m.red.eval(r);
    ir::Work each = m.program.work();
    if (red.size() > 0 || in.run == run_scatter) each.add(m.dtype, 1);
    return times(each, product(m.out.eval(r)) * product(red));
  }
  if (in.run == run_scatter_rows) {
    const auto& rows = *static_cast<const Rows*>(in.data);
    const Tensor& x = r.peek(rows.rows.slot);
    work.add(x.dtype, static_cast<double>(x.count()));
    return work;
  }
  if (node && ir::is_scalar(node->op)) {  // on single numbers
    const DType t = r.frame->code->fn->type(node->results[0]).dtype;
    work.add(t, ir::flops_of(node->op, t));
  }
  return work;
}

}  // namespace tenon::interp
