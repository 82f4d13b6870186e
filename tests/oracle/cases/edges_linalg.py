# Edges of linear algebra: no rows, one, a batch of none; singular and indefinite matrices, equal eigenvalues and
# singular values, NaN.
import math

import numpy as np
import torch

nan, inf = math.nan, math.inf
L = torch.linalg
one = np.array([[4.0]])
empty, no_batch = np.zeros((0, 0)), np.zeros((0, 2, 2))
singular = np.array([[1.0, 2.0], [2.0, 4.0]])
zero = np.zeros((2, 2))
equal = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
NOT_A_NUMBER = lambda *shape: torch.full(shape, nan).double()


def sizes(name, call, f, grad=None, kinds=(empty, no_batch), at=one):
    for a in kinds:
        o.edge("empty", name, call, f, grad=grad, a=a)
    o.edge("one", name, call, f, grad=grad, a=at)


sizes("cholesky", "cholesky(a)", L.cholesky)
o.edge("outside singular", "cholesky", "let l = cholesky(a)\n(l[0, 0], isnan(l[1, 1]))", lambda a: (a[0, 0] ** 0.5, torch.tensor(True)), grad=(), a=np.array([[1.0, 2.0], [2.0, 1.0]]),
       differs="a matrix that is not positive definite gives NaN from the first bad column on; PyTorch stops with an error.", pytorch=L.cholesky)
o.edge("singular zero", "cholesky", "let l = cholesky(a)\nl[.., 0]", lambda a: torch.tensor([1.0, 1.0]).double(), grad=(), a=np.ones((2, 2)))
o.edge("nan", "cholesky", "isnan(cholesky(a))", lambda a: torch.tensor([[True, False], [True, True]]), grad=(), a=np.array([[nan, 1.0], [1.0, 1.0]]))
for name, call, f in [("solve", "solve(a, b)", L.solve), ("solve_triangular", "solve_triangular(a, b)", lambda a, b: L.solve_triangular(a, b, upper=False))]:
    o.edge("empty", name, call, f, a=empty, b=np.zeros((0, 3)))
    o.edge("empty", name, call, f, a=no_batch, b=np.zeros((0, 2, 1)))
    o.edge("empty", name, call, f, a=np.eye(2), b=np.zeros((2, 0)))
    o.edge("one", name, call, f, a=one, b=np.array([[3.0]]))
    o.edge("nan", name, f"any(isnan({call}))", lambda a, b: torch.tensor(True), grad=(), a=np.array([[1.0, 0.0], [nan, 1.0]]), b=np.array([[1.0], [1.0]]))
o.edge("singular", "solve", "all(isfinite(solve(a, b)))", lambda a, b: torch.tensor(False), grad=(), a=singular, b=np.array([[1.0], [1.0]]), differs="a singular matrix gives numbers that are not finite; PyTorch stops with an error.",
       pytorch=lambda a, b: L.solve(a, b).isfinite().all())
o.edge("singular zero", "solve_triangular", "all(isfinite(solve_triangular(a, b)))", lambda a, b: torch.tensor(False), grad=(), a=zero, b=np.array([[1.0], [1.0]]))
sizes("inverse", "inverse(a)", L.inv)
o.edge("singular zero", "inverse", "(all(isfinite(inverse(a))), all(isfinite(inverse(b))))", lambda a, b: (torch.tensor(False), torch.tensor(False)), grad=(), a=singular, b=zero, differs="a singular matrix gives numbers that are not finite; PyTorch stops with an error.", pytorch=lambda a, b: (L.inv(a), L.inv(b)))
o.edge("nan", "inverse", "all(isfinite(inverse(a)))", lambda a: torch.tensor(False), grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]))
sizes("det", "det(a)", L.det)
o.edge("singular zero", "det", "(det(a), det(b))", lambda a, b: (L.det(a), L.det(b)), grad=(), a=singular, b=zero)
o.edge("nan", "det", "det(a)", L.det, grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]))
sizes("slogdet", "slogdet(a)", lambda a: tuple(L.slogdet(a)), grad=())
o.edge("singular zero", "slogdet", "let (s, l) = slogdet(a)\nlet (t, k) = slogdet(b)\n(s, l, t, k)", lambda a, b: (*L.slogdet(a), *L.slogdet(b)), grad=(), a=singular, b=zero)
o.edge("nan", "slogdet", "slogdet(a)[1]", lambda a: L.slogdet(a)[1], grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]))
for a in [empty, no_batch, one, np.zeros((2, 0)), np.zeros((0, 2))]:
    o.edge("one" if a.size else "empty", "qr", "qr(a)", lambda a: tuple(L.qr(a)), grad=() if not a.size else None, a=a)
o.edge("singular zero", "qr", "let (q, r) = qr(a)\nlet (p, s) = qr(b)\n(q @ r, r[1, 1], p, s)", lambda a, b: (a, torch.zeros(()).double(), torch.eye(2).double(), b), grad=(), a=singular, b=zero)
o.edge("nan", "qr", "all(isfinite(qr(a)[1]))", lambda a: torch.tensor(False), grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]))
sizes("lu", "lu(a)", lambda a: (lambda p, l, u: (l, u, (p.transpose(-1, -2) @ torch.arange(a.shape[-1]).double()).long()))(*L.lu(a)), grad=())
o.edge("singular zero", "lu", "let (l, u, p) = lu(a)\n(l @ u, u[1, 1], p)", lambda a: (a[[1, 0]], torch.zeros(()).double(), torch.tensor([1, 0])), grad=(), a=singular)
o.edge("nan", "lu", "all(isfinite(lu(a)[1]))", lambda a: torch.tensor(False), grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]))
o.edge("empty one", "lstsq", "(lstsq(a, b), lstsq(c, d))", lambda a, b, c, d: (torch.zeros(0, 1).double(), L.lstsq(c, d).solution), grad=(), a=np.zeros((2, 0)), b=np.ones((2, 1)), c=one, d=one)
o.edge("singular", "lstsq", "all(isfinite(lstsq(a, b)))", lambda a, b: torch.tensor(False), grad=(), a=np.array([[1.0, 1.0], [0.0, 0.0]]), b=np.array([[1.0], [1.0]]), differs="less than full column rank gives numbers that are not finite; PyTorch's default driver on the CPU gives the shortest solution. `pinv(a) @ b` does.",
       pytorch=lambda a, b: L.lstsq(a, b).solution.isfinite().all())
for name, f in [("eigh", L.eigh), ("eigvalsh", L.eigvalsh)]:
    values = "eigh(a)[0]" if name == "eigh" else "eigvalsh(a)"
    for a in [empty, no_batch]:
        o.edge("empty", name, values, lambda a: L.eigvalsh(a), a=a)
    o.edge("one", name, values, lambda a: L.eigvalsh(a), a=one)
    o.edge("ties", name, f"sum({values})", lambda a: L.eigvalsh(a).sum(), a=equal)
    o.edge("ties zero", name, values, lambda a: L.eigvalsh(a), grad=(), a=zero)
    o.edge("nan", name, f"all(isfinite({values}))", lambda a: torch.tensor(False), grad=(), a=np.array([[nan, 1.0], [1.0, 1.0]]), differs="NaN in the matrix comes through; PyTorch stops with an error.", pytorch=lambda a: L.eigvalsh(a).isfinite().all())
o.edge("one", "eigh", "abs(eigh(a)[1])", lambda a: L.eigh(a)[1].abs(), grad=(), a=one)
for a in [empty, no_batch, one, np.zeros((2, 0)), np.zeros((0, 2))]:
    o.edge("one" if a.size else "empty", "svd", "svd(a)[1]", lambda a: L.svdvals(a), a=a)
o.edge("singular zero", "svd", "let (u, s, v) = svd(a)\nlet (_, t, _) = svd(b)\n(s, u @ diag(s) @ v, t)", lambda a, b: (L.svdvals(a), a, L.svdvals(b)), grad=(), a=singular, b=zero)
o.edge("ties", "svd", "let (u, s, v) = svd(a)\nu @ diag(s * s) @ v", lambda a: 2 * a, grad=(), a=2.0 * np.eye(3))
o.edge("ties", "svd", "sum(svd(a)[1])", lambda a: L.svdvals(a).sum(), a=equal)
o.edge("nan", "svd", "all(isfinite(svd(a)[1]))", lambda a: torch.tensor(False), grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]), differs="NaN in the matrix comes through; PyTorch stops with an error.", pytorch=lambda a: L.svdvals(a).isfinite().all())
for a in [empty, no_batch, one, np.zeros((2, 0))]:
    o.edge("one" if a.size else "empty", "pinv", "pinv(a)", L.pinv, grad=None if a.size else (), a=a)
o.edge("singular zero", "pinv", "(pinv(a), pinv(b))", lambda a, b: (L.pinv(a), L.pinv(b)), grad=(), a=singular, b=zero)
o.edge("nan", "pinv", "all(isfinite(pinv(a)))", lambda a: torch.tensor(False), grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]))
o.edge("empty one singular zero", "matrix_rank", "(matrix_rank(zeros(0, 0)), matrix_rank(a), matrix_rank(b), matrix_rank(c))", lambda a, b, c: tuple(torch.tensor(n) for n in (0, 1, 1, 0)), grad=(), a=one, b=singular, c=zero)
o.edge("one singular zero", "cond", "(cond(a), cond(b) > 1.0e15, cond(c))", lambda a, b, c: (L.cond(a), torch.tensor(True), torch.tensor(nan).double()), grad=(), a=one, b=singular, c=zero)
o.refused("empty", "cond", "cond(a)", "", a=empty)
for n in [0, 1, -1]:
    o.edge("one", "matrix_power", f"matrix_power(a, {n})", lambda a: L.matrix_power(a, n), grad=None if n else (), a=one)
o.edge("empty", "matrix_power", "matrix_power(a, 3)", lambda a: L.matrix_power(a, 3), a=empty)
o.edge("singular zero", "matrix_power", "(matrix_power(a, 3), matrix_power(b, 0), all(isfinite(matrix_power(b, -1))))", lambda a, b: (L.matrix_power(a, 3), torch.eye(2).double(), torch.tensor(False)), grad=(), a=singular, b=zero)
o.edge("nan", "matrix_power", "matrix_power(a, 2)", lambda a: L.matrix_power(a, 2), grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]))
sizes("expm", "expm(a)", L.matrix_exp, kinds=(empty, no_batch))
o.edge("zero", "expm", "expm(a)", L.matrix_exp, a=zero)
o.edge("large", "expm", "expm(a)", L.matrix_exp, grad=(), rtol=1e-9, a=np.array([[30.0, 10.0], [0.0, 20.0]]))
o.edge("nan", "expm", "isnan(expm(a))[0, 0]", lambda a: torch.tensor(True), grad=(), a=np.array([[nan, 1.0], [0.0, 1.0]]))
