# Linear algebra: values and gradients, single matrices and batches. What is free (the signs of eigenvectors) is squared.
import torch

L = torch.linalg

for n, batch in [(1, ()), (2, ()), (5, ()), (3, (2,)), (4, (2, 2))]:
    spd = lambda: o.positive_definite(n, *batch)
    any_ = lambda: o.normal(*batch, n, n) + 2 * __import__("numpy").eye(n)
    o.case("cholesky", "cholesky(a)", L.cholesky, a=spd(), f32=1e-4)
    for k in [1, 3]:
        o.case("solve", "solve(a, b)", L.solve, a=any_(), b=o.normal(*batch, n, k), rtol=1e-9)
        o.case("solve_triangular", "solve_triangular(a, b)", lambda a, b: L.solve_triangular(torch.tril(a), b, upper=False), a=spd(), b=o.normal(*batch, n, k))
        o.case("solve_triangular", "solve_triangular(a, b, lower = false)", lambda a, b: L.solve_triangular(torch.triu(a), b, upper=True), a=spd(), b=o.normal(*batch, n, k))
        o.case("solve_triangular", "solve_triangular(0.1 * a, b, unit = true)", lambda a, b: L.solve_triangular(0.1 * torch.tril(a), b, upper=False, unitriangular=True), a=spd(), b=o.normal(*batch, n, k))
    o.case("solve", "solve(a, b)", L.solve, a=spd(), b=o.normal(*batch, n), f32=1e-3)
    o.case("inverse", "inverse(a)", L.inv, a=spd(), f32=1e-3)
    o.case("inverse", "inverse(a)", L.inv, a=any_(), rtol=1e-8)
    o.case("det", "det(a)", L.det, a=any_(), rtol=1e-9)
    o.case("slogdet", "slogdet(a)", L.slogdet, a=any_(), rtol=1e-9)
    o.case("matrix_power", "matrix_power(a, 3)", lambda a: L.matrix_power(a, 3), a=o.normal(*batch, n, n))
    o.case("matrix_power", "matrix_power(a, 0)", lambda a: L.matrix_power(a, 0), grad=(), a=o.normal(*batch, n, n))
    o.case("matrix_power", "matrix_power(a, -2)", lambda a: L.matrix_power(a, -2), a=spd(), rtol=1e-9)
    o.case("expm", "expm(a)", L.matrix_exp, a=o.normal(*batch, n, n), rtol=1e-9, atol=1e-10)
    o.case("expm", "expm(a)", L.matrix_exp, a=o.normal(*batch, n, n, sd=6.0), rtol=1e-7, atol=1e-6)
    o.case("eigvalsh", "eigvalsh(a + transpose(a))", lambda a: L.eigvalsh(a + a.mT), a=o.normal(*batch, n, n), rtol=1e-9, atol=1e-10, f32=1e-4)
    o.case("eigh", "let (w, v) = eigh(a + transpose(a))\n(w, v * v)", lambda a: (lambda w, v: (w, v * v))(*L.eigh(a + a.mT)),
           a=o.normal(*batch, n, n), rtol=1e-8, atol=1e-9, note="(w, v * v)")
    o.case("lu", "let (l, u, _) = lu(a)\n(l, u)", lambda a: L.lu(a)[1:], a=o.normal(*batch, n, n), rtol=1e-8, atol=1e-9)

for n, m, batch in [(3, 3, ()), (5, 3, ()), (3, 5, ()), (4, 2, (2,)), (2, 4, (2,)), (1, 3, ())]:
    k = min(n, m)
    if n >= m:
        o.case("qr", "qr(a)", lambda a: tuple(L.qr(a)), a=o.normal(*batch, n, m), rtol=1e-8, atol=1e-9, f32=0)
        o.case("lstsq", "lstsq(a, b)", lambda a, b: L.lstsq(a, b).solution, a=o.normal(*batch, n, m), b=o.normal(*batch, n, 2), rtol=1e-8, atol=1e-9)
    else:
        o.case("qr", "qr(a)", lambda a: tuple(L.qr(a)), grad=(), a=o.normal(*batch, n, m), rtol=1e-8, atol=1e-9)
    o.case("svd", "let (u, s, vh) = svd(a)\n(u * u, s, vh * vh)", lambda a: (lambda u, s, v: (u * u, s, v * v))(*L.svd(a, full_matrices=False)),
           a=o.normal(*batch, n, m), rtol=1e-8, atol=1e-9, note="(u * u, s, vh * vh)")
    o.case("svd", "let (u, s, vh) = svd(a)\nu @ vh", lambda a: (lambda u, s, v: u @ v)(*L.svd(a, full_matrices=False)),
           a=o.normal(*batch, n, m), rtol=1e-8, atol=1e-9, note="u @ vh")
    o.case("pinv", "pinv(a)", L.pinv, a=o.normal(*batch, n, m), rtol=1e-8, atol=1e-9)
    o.case("cond", "cond(a)", L.cond, a=o.normal(*batch, n, m), rtol=1e-8)
    o.case("matrix_rank", "matrix_rank(a)", L.matrix_rank, grad=(), a=o.normal(*batch, n, m))
o.case("matmul", "a @ b", torch.matmul, a=o.normal(3, 4), b=o.normal(4, 2))
o.case("matmul", "a @ b", torch.matmul, a=o.normal(2, 3, 4), b=o.normal(2, 4, 2))
o.case("matmul", "a @ b", torch.matmul, a=o.normal(2, 3, 4), b=o.normal(4, 2))
o.case("matmul", "a @ b", torch.matmul, a=o.normal(3, 4), b=o.normal(4))
o.case("matmul", "a @ b", torch.matmul, a=o.normal(4), b=o.normal(4))
