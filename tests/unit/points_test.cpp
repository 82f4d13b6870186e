// rooms: support ir runtime kernels
// Elementwise kernels and point programs against the scalar programs on the plain machine, bit for
// bit.
#include "tests/unit/kernels_common.h"

using namespace tenon;
using namespace tenon::kernels_test;

namespace {

// ---------------------------------------------------------------- elementwise

// One element of an operation by its program; a function of its own per operation and dtype, so
// that the test around it is compiled once.
using Plainly = void (*)(void* out, const void* const* in);
template <ir::Op op, DType t>
void plainly(void* out, const void* const* in) {
  scalar::Plain m;
  constexpr DType r = scalar::result_type(op, t);
  auto get = [&]<DType kT>(int i) {
    return scalar::load_plain<kT>(*static_cast<const scalar::Storage<kT>*>(in[i]));
  };
  auto& to = *static_cast<scalar::Storage<r>*>(out);
  if constexpr (op == ir::Op::select)
    to = scalar::store_plain<r>(scalar::apply<op, t>(m, get.template operator()<DType::boolean>(0),
                                                     get.template operator()<t>(1),
                                                     get.template operator()<t>(2)));
  else if constexpr (ir::facts(op).operands == 3)
    to = scalar::store_plain<r>(scalar::apply<op, t>(m, get.template operator()<t>(0),
                                                     get.template operator()<t>(1),
                                                     get.template operator()<t>(2)));
  else if constexpr (ir::facts(op).operands == 2)
    to = scalar::store_plain<r>(
        scalar::apply<op, t>(m, get.template operator()<t>(0), get.template operator()<t>(1)));
  else
    to = scalar::store_plain<r>(scalar::apply<op, t>(m, get.template operator()<t>(0)));
}

void check_point_op(ir::Op op, DType t, Plainly plain) {
  const int n_in = ir::facts(op).operands;
  const DType r = scalar::result_type(op, t);
  for (int turn = 0; turn < 6; ++turn) {
    const Extents shape = turn == 0   ? Extents{}
                          : turn == 1 ? Extents{1000}
                                      : random_shape(static_cast<int>(between(1, 3)), 40);
    std::vector<Tensor> in;
    for (int i = 0; i < n_in; ++i) {
      Tensor x = random_view(op == ir::Op::select && i == 0 ? DType::boolean : t, shape, turn > 1);
      if (is_integer(t) && (op == ir::Op::div || op == ir::Op::rem) && i == 1) {
        x = x.packed();
        std::vector<char> zero(size_of(t));
        for (int64_t k = 0; k < x.count(); ++k) {
          char* e = static_cast<char*>(x.raw()) + k * static_cast<int64_t>(size_of(t));
          if (std::memcmp(e, zero.data(), size_of(t)) == 0) *e = 3;
        }
      }
      in.push_back(x);
    }
    Tensor want(r, shape);
    for (int64_t k = 0; k < want.count(); ++k) {
      auto at = reference::position(k, shape);
      const void* p[3];
      for (int i = 0; i < n_in; ++i) {
        const Tensor& x = in[static_cast<size_t>(i)];
        p[i] = static_cast<const char*>(x.raw()) +
               reference::offset(x, at) * static_cast<int64_t>(size_of(x.dtype));
      }
      plain(static_cast<char*>(want.raw()) + k * static_cast<int64_t>(size_of(r)), p);
    }
    for (Isa isa : isas()) {
      kernels::set_isa(isa);
      Threads threads(2);
      Tensor got(r, shape);
      std::vector<View> views(in.begin(), in.end());
      kernels::run_point(op, views, got, threads);
      ASSERT_TRUE(same_bits(got, want))
          << ir::name(op) << " " << name(t) << " turn " << turn << " isa " << int(isa);
    }
  }
}

TEST(Points, EveryScalarOperationIsItsProgram) {
  for (int d = 0; d < kDTypeCount; ++d)
    for (int o = 0; o < ir::kOpCount; ++o) {
      const auto op = static_cast<ir::Op>(o);
      const auto t = static_cast<DType>(d);
      scalar::visit(op, t, [&]<ir::Op kOp, DType kT>() {
        if constexpr (kOp != ir::Op::convert) check_point_op(op, t, plainly<kOp, kT>);
      });
    }
}

TEST(Points, ConvertIsItsProgram) {
  for (int a = 0; a < kDTypeCount; ++a)
    for (int b = 0; b < kDTypeCount; ++b) {
      Tensor x = random_tensor(static_cast<DType>(a), {777}, true);
      Tensor want(static_cast<DType>(b), {777});
      scalar::visit_dtype(x.dtype, [&]<DType from>() {
        scalar::visit_dtype(want.dtype, [&]<DType to>() {
          scalar::Plain m;
          for (int i = 0; i < 777; ++i)
            want.data<scalar::Storage<to>>()[i] = scalar::store_plain<to>(scalar::convert<from, to>(
                m, scalar::load_plain<from>(x.data<scalar::Storage<from>>()[i])));
        });
      });
      for (Isa isa : isas()) {
        kernels::set_isa(isa);
        Threads threads(1);
        Tensor got(want.dtype, {777});
        View v = x;
        kernels::run_point(ir::Op::convert, {&v, 1}, got, threads);
        ASSERT_TRUE(same_bits(got, want))
            << name(x.dtype) << " to " << name(want.dtype) << " isa " << int(isa);
      }
    }
}

TEST(Points, ScalarFunctionsAgreeOnRandomBits) {
  for (ir::Op op : {ir::Op::exp, ir::Op::log, ir::Op::tanh, ir::Op::erf, ir::Op::sin, ir::Op::cos,
                    ir::Op::expm1, ir::Op::log1p})
    for (DType t : {DType::f32, DType::f64})
      scalar::visit(op, t, [&]<ir::Op kOp, DType kT>() {
        if constexpr (kOp == ir::Op::exp || kOp == ir::Op::log || kOp == ir::Op::tanh ||
                      kOp == ir::Op::erf || kOp == ir::Op::sin || kOp == ir::Op::cos ||
                      kOp == ir::Op::expm1 || kOp == ir::Op::log1p) {
          using S = scalar::Storage<kT>;
          Tensor x(kT, {200000});
          for (int64_t i = 0; i < x.count(); ++i) {
            uint64_t bits = rng();
            std::memcpy(x.data<S>() + i, &bits, sizeof(S));
          }
          Tensor want(kT, x.shape);
          scalar::Plain m;
          for (int64_t i = 0; i < x.count(); ++i)
            want.data<S>()[i] = scalar::store_plain<kT>(
                scalar::apply<kOp, kT>(m, scalar::load_plain<kT>(x.data<S>()[i])));
          everywhere([&](Threads& threads) {
            Tensor got(kT, x.shape);
            View v = x;
            kernels::run_point(kOp, {&v, 1}, got, threads);
            ASSERT_TRUE(same_bits(got, want)) << ir::name(kOp) << " " << name(kT);
          });
        }
      });
}

TEST(Points, ProgramsFuseBroadcastsExactly) {
  for (int turn = 0; turn < 60; ++turn) {
    const int64_t B = between(1, 70), D = between(1, 400);
    Tensor x = random_view(DType::f32, {B, D}), row = random_tensor(DType::f32, {D}),
           col = random_tensor(DType::f32, {B});
    Tensor one = random_tensor(DType::f32, {});
    // tanh(x * row + col) and its comparison with one, in one program
    kernels::PointProgram p;
    int a = p.input(DType::f32), r = p.input(DType::f32), c = p.input(DType::f32),
        s = p.input(DType::f32);
    int sum = p.op(ir::Op::add, {p.op(ir::Op::mul, {a, r}), c});
    int y = p.op(ir::Op::tanh, {sum});
    int z = p.op(ir::Op::lt, {y, s});
    p.result(z);
    p.result(y);
    p.finish();
    Tensor want_y(DType::f32, {B, D}), want_z(DType::boolean, {B, D});
    scalar::Plain m;
    for (int64_t i = 0; i < B; ++i)
      for (int64_t j = 0; j < D; ++j) {
        float v =
            m.add(m.mul(x.data<float>()[i * x.strides[0] + j * x.strides[1]], row.data<float>()[j]),
                  col.data<float>()[i]);
        v = scalar::tanh(m, v);
        want_y.data<float>()[i * D + j] = v;
        want_z.data<uint8_t>()[i * D + j] = v < *one.data<float>();
      }
    const int64_t row_strides[2] = {0, 1}, col_strides[2] = {1, 0};
    everywhere([&](Threads& threads) {
      Tensor got_y(DType::f32, {B, D}), got_z(DType::boolean, {B, D});
      kernels::PointOperand in[] = {{x.raw(), x.strides.begin()},
                                    {row.raw(), row_strides},
                                    {col.raw(), col_strides},
                                    {one.raw(), nullptr}};
      kernels::PointResult out[] = {{got_z.raw(), nullptr}, {got_y.raw(), nullptr}};
      kernels::run_points(p, {B, D}, in, out, {}, threads);
      ASSERT_TRUE(same_bits(got_y, want_y));
      ASSERT_TRUE(same_bits(got_z, want_z));
      // In place: the result over the operand.
      if (x.contiguous()) {
        Tensor over = Tensor(DType::f32, {B, D});
        std::memcpy(over.raw(), x.raw(), static_cast<size_t>(x.bytes()));
        in[0] = {over.raw(), over.strides.begin()};
        out[1] = {over.raw(), nullptr};
        kernels::run_points(p, {B, D}, in, out, {}, threads);
        ASSERT_TRUE(same_bits(over, want_y));
      }
    });
  }
}

TEST(Points, DivisionByZeroTraps) {
  Threads threads(2);
  Tensor a = random_tensor(DType::i64, {5000}), b(DType::i64, {5000});
  for (int i = 0; i < 5000; ++i) b.data<int64_t>()[i] = i == 4321 ? 0 : 7;
  for (Isa isa : isas()) {
    kernels::set_isa(isa);
    std::vector<View> in{a, b};
    Tensor out(DType::i64, {5000});
    EXPECT_THROW(kernels::run_point(ir::Op::div, in, out, threads), Trap);
    b.data<int64_t>()[4321] = 1;
    EXPECT_NO_THROW(kernels::run_point(ir::Op::div, in, out, threads));
    b.data<int64_t>()[4321] = 0;
  }
}

}  // namespace
