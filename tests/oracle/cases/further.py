# What programs of PyTorch reach for besides: distances, sums without NaN, the normal distribution function, further layers,
# optimizers and distributions. With their edges.
import math

import numpy as np
import scipy.special
import torch
import torch.distributions as D
from torch.nn import functional as F

nan, inf = math.nan, math.inf
IMPORTS = ["nn", "optim", "distributions"]
T = lambda *v: torch.tensor(v, dtype=torch.float64)
none, spoilt = np.zeros((0, 3)), np.array([[nan, 1.0, 2.0], [nan, nan, nan], [inf, 0.0, 1.0]])

o.edge("empty one", "numel", "(numel(x), numel(y))", lambda x, y: (torch.tensor(0), torch.tensor(1)), grad=(), x=none, y=np.float64(2.0))
o.case("numel", "numel(x)", lambda x: torch.tensor(x.numel()), grad=(), x=o.normal(2, 3))
for name, f in [("nansum", torch.nansum), ("nanmean", torch.nanmean)]:
    o.case(name, f"{name}(x, axis = 1)", lambda x: f(x, 1), x=o.normal(2, 3))
    o.case(name, f"{name}(x, axis = 0, keep = true)", lambda x: f(x, 0, keepdim=True), x=o.normal(2, 3))
    o.edge("empty", name, f"{name}(x)", f, grad=(), x=none)
    o.edge("nan inf one", name, f"{name}(x, axis = 1)", lambda x: f(x, 1), grad=(), x=spoilt)
    o.edge("nan", name, f"{name}(x)", f, x=np.array([nan, 1.0, 2.0]))
o.case("count_nonzero", "count_nonzero(x, axis = 1)", lambda x: torch.count_nonzero(x, 1), grad=(), x=o.integers(2, 4, hi=2) * 1.0)
o.edge("empty one nan zero", "count_nonzero", "(count_nonzero(x), count_nonzero(y))", lambda x, y: (torch.tensor(0), torch.count_nonzero(y)), grad=(), x=none, y=np.array([nan, 0.0, -0.0, inf]))
for p, text in [(2.0, "2"), (1.0, "1"), (3.0, "3"), (inf, "inf")]:
    o.case("cdist", f"cdist(a, b, p = {text})", lambda a, b: torch.cdist(a, b, p, "donot_use_mm_for_euclid_dist"), a=o.normal(2, 3, 4), b=o.normal(2, 5, 4))
o.edge("ties zero", "cdist", "cdist(a, a)", lambda a: torch.cdist(a, a, 2.0, "donot_use_mm_for_euclid_dist"), a=np.array([[1.0, 2.0], [1.0, 2.0]]), grad=())
o.edge("zero", "cdist", "grad(fn(v) = sum(cdist(v, v)))(a)", lambda a: 0 * a, a=np.array([[1.0, 2.0], [1.0, 2.0]]), grad=())
o.edge("empty one", "cdist", "(cdist(x, y), cdist(y, y))", lambda x, y: (torch.zeros(0, 1).double(), torch.zeros(1, 1).double()), grad=(), x=none, y=o.normal(1, 3))
o.edge("nan", "cdist", "isnan(cdist(x, y))", lambda x, y: torch.tensor([[True], [False]]), grad=(), x=np.array([[nan, 1.0], [0.0, 0.0]]), y=np.ones((1, 2)))
o.case("trapezoid", "trapezoid(y)", lambda y: torch.trapezoid(y), y=o.normal(2, 5))
o.case("trapezoid", "trapezoid(y, x)", lambda y, x: torch.trapezoid(y, x), y=o.normal(2, 5), x=o.normal(5))
o.case("trapezoid", "trapezoid(y, dx = 0.5, axis = 0)", lambda y: torch.trapezoid(y, dx=0.5, dim=0), y=o.normal(3, 2))
o.edge("one nan", "trapezoid", "(trapezoid(x), trapezoid(y))", lambda x, y: (torch.zeros(()).double(), torch.trapezoid(y)), grad=(), x=np.array([3.0]), y=np.array([nan, 1.0]))
o.edge("empty", "trapezoid", "trapezoid(x, axis = 1)", lambda x: x.sum(1), grad=(), x=none)
o.case("isin", "isin(n, v)", torch.isin, n=o.integers(2, 4, hi=9), v=np.array([3, 5, 5]))
o.edge("empty nan zero", "isin", "(isin(x, y), isin(y, x), isin(y, y))", lambda x, y: (torch.zeros(0) > 0, torch.zeros(3) > 0, torch.tensor([False, True, True])), grad=(), x=np.zeros(0), y=np.array([nan, 0.0, inf]))

# ---- linear algebra
a = o.positive_definite(3, 2)
o.case("cholesky_solve", "cholesky_solve(b, cholesky(a))", lambda a, b: torch.linalg.solve(0.5 * (a + a.mT), b), a=a, b=o.normal(2, 3, 2))
o.case("cholesky_solve", "cholesky_solve(b, cholesky(a))", lambda a, b: torch.linalg.solve(0.5 * (a + a.mT), b), a=o.positive_definite(3), b=o.normal(3))
o.edge("empty one", "cholesky_solve", "(cholesky_solve(x, y), cholesky_solve(b, l))", lambda x, y, b, l: (x, b / l[0, 0] ** 2), grad=(), x=np.zeros(0), y=np.zeros((0, 0)), b=np.array([3.0]), l=np.array([[2.0]]))
for kind, order in [("frobenius", "fro"), ("nuclear", "nuc"), ("spectral", 2)]:
    o.case("matrix_norm", f'matrix_norm(a, "{kind}")', lambda a: torch.linalg.matrix_norm(a, order), a=o.normal(2, 3, 2))
    o.edge("one zero singular", "matrix_norm", f'matrix_norm(a, "{kind}")', lambda a: torch.linalg.matrix_norm(a, order), grad=(), a=np.array([[[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [2.0, 4.0]]]))
o.edge("empty nan", "matrix_norm", "(matrix_norm(zeros(0, 2, dtype = f64)), matrix_norm(a))", lambda a: (T(0.0)[0], T(nan)[0]), grad=(), a=np.array([[nan, 1.0]]))
o.refused("outside", "matrix_norm", 'matrix_norm(a, "l2")', "frobenius", a=np.zeros((2, 2)))

# ---- special functions
wide = np.concatenate([o.normal(6, sd=2), np.array([-3.0, -8.0, -11.9, -12.1, -20.0, -37.0, 3.0, 8.0])])
o.case("ndtr", "ndtr(x)", torch.special.ndtr, x=wide, rtol=1e-9)
o.case("log_ndtr", "log_ndtr(x)", lambda x: torch.as_tensor(scipy.special.log_ndtr(x.numpy())), grad=(), x=wide)
o.case("log_ndtr", "grad(fn(v) = sum(log_ndtr(v)))(x)", lambda x: torch.as_tensor(np.exp(-0.5 * x.numpy() ** 2 - 0.5 * np.log(2 * np.pi) - scipy.special.log_ndtr(x.numpy()))), grad=(), x=wide, rtol=1e-9)
shares = np.array([0.3, 0.5, 0.7, 0.019, 0.021, 1e-5, 1e-100, 1e-300, 0.999, 0.99999])
o.case("ndtri", "ndtri(p)", lambda p: torch.as_tensor(scipy.special.ndtri(p.detach().numpy())), grad=(), p=shares)
o.case("ndtri", "ndtri(p)", torch.special.ndtri, p=o.uniform(6, lo=0.05, hi=0.95), rtol=1e-9)
for name, f, at in [("ndtr", torch.special.ndtr, [nan, inf, -inf, 0.0, -40.0]), ("log_ndtr", lambda x: torch.as_tensor(scipy.special.log_ndtr(x.numpy())), [nan, inf, -inf, 0.0, -1e10, 1e10]),
                    ("ndtri", torch.special.ndtri, [nan, 0.0, 1.0, -0.5, 1.5, inf]), ("entr", torch.special.entr, [nan, inf, -inf, 0.0, -0.0, -1.0])]:
    o.edge("nan inf zero " + ("large" if name == "log_ndtr" else "outside" if name != "ndtr" else ""), name, f"{name}(x)", f, grad=(), x=np.array(at))
    o.edge("empty", name, f"{name}(x)", lambda x: x, x=np.zeros((0, 2)))
    o.edge("one", name, f"{name}(x)", f, grad=(), x=np.float64(0.25))
o.case("entr", "entr(x)", torch.special.entr, x=o.uniform(5, lo=0.1, hi=3.0))
o.case("xlog1py", "xlog1py(x, y)", torch.special.xlog1py, x=o.normal(5), y=o.uniform(5, lo=-0.9, hi=3.0))
o.edge("empty", "xlog1py", "xlog1py(x, x)", lambda x: x, grad=(), x=np.zeros(0))
o.edge("nan inf zero outside", "xlog1py", "xlog1py(x, y)", torch.special.xlog1py, grad=(), x=np.array([0.0, 0.0, 1.0, nan, 1.0, 0.0]), y=np.array([-1.0, nan, -1.0, 1.0, -2.0, inf - 1]))

# ---- layers
o.case("adaptive_max_pool3d", "nn.adaptive_max_pool3d(x, 2, 3, 1)", lambda x: F.adaptive_max_pool3d(x, (2, 3, 1)), x=o.normal(1, 2, 5, 4, 3))
o.edge("empty", "adaptive_max_pool3d", "nn.adaptive_max_pool3d(x, 2)", lambda x: torch.zeros(0, 1, 2, 2, 2).double(), grad=(), x=np.zeros((0, 1, 3, 3, 3)))
o.edge("one nan", "adaptive_max_pool3d", "nn.adaptive_max_pool3d(x, 1)", lambda x: F.adaptive_max_pool3d(x, 1), grad=(), x=np.array([[[[[nan, 1.0]]]]]))
for size in [1, 2, 3, 5]:
    o.case("local_response_norm", f"nn.local_response_norm(x, {size}, alpha = 0.5, beta = 0.7, k = 2.0)", lambda x: F.local_response_norm(x, size, 0.5, 0.7, 2.0), x=o.normal(2, 4, 3))
o.edge("one zero", "local_response_norm", "nn.local_response_norm(x, 5)", lambda x: F.local_response_norm(x, 5), x=np.array([[[0.0, 2.0]]]))
o.edge("empty", "local_response_norm", "nn.local_response_norm(x, 2)", lambda x: x, x=np.zeros((0, 2, 3)))
o.edge("nan", "local_response_norm", "nn.local_response_norm(x, 2)", lambda x: F.local_response_norm(x, 2), grad=(), x=np.array([[[nan], [1.0], [2.0]]]))
o.case("channel_shuffle", "nn.channel_shuffle(x, 3)", lambda x: F.channel_shuffle(x, 3), x=o.normal(2, 6, 2, 2))
o.edge("one nan", "channel_shuffle", "nn.channel_shuffle(x, 1)", lambda x: x, x=np.array([[[nan], [1.0]]]))
o.edge("empty", "channel_shuffle", "nn.channel_shuffle(x, 2)", lambda x: x, x=np.zeros((0, 4, 2)))
o.refused("outside", "channel_shuffle", "nn.channel_shuffle(x, 2)", "", pytorch=lambda x: F.channel_shuffle(x, 2), x=np.zeros((1, 3, 2)))
for join in ["mean", "sum", "max"]:
    o.case("embedding_bag", f'nn.embedding_bag(i, w, "{join}")', lambda i, w: F.embedding_bag(i, w, mode=join), i=o.integers(3, 4, hi=6), w=o.normal(6, 2))
o.edge("empty", "embedding_bag", "nn.embedding_bag(i, w)", lambda i, w: torch.zeros(0, 2).double(), grad=(), i=np.zeros((0, 3), dtype=np.int64), w=o.normal(4, 2))
o.edge("one ties", "embedding_bag", "nn.embedding_bag(i, w)", lambda i, w: F.embedding_bag(i, w), i=np.array([[1], [1]]), w=o.normal(4, 2))
o.refused("outside", "embedding_bag", "nn.embedding_bag(i, w)", "", pytorch=lambda i, w: F.embedding_bag(i, w), i=np.array([[4]]), w=np.zeros((4, 2)))

# ---- optimizers, 60 steps on a small problem
target, weight = o.normal(5), np.array([1.0, 3.0, 0.3, 7.0, 2.0])


def trained(make, steps=60):
    def reference(x):
        p = x.detach().clone().requires_grad_(True)
        opt = make([p])
        for _ in range(steps):
            opt.zero_grad()
            ((p - torch.as_tensor(target)) ** 2 * torch.as_tensor(weight)).sum().backward()
            opt.step()
        return p.detach()
    return reference


for name, call, make in [("rprop", "optim.rprop(x, lr = 0.02)", lambda p: torch.optim.Rprop(p, 0.02)), ("rprop", "optim.rprop(x, lr = 0.1, up = 1.5, down = 0.3, least = 1.0e-4, most = 0.2)", lambda p: torch.optim.Rprop(p, 0.1, (0.3, 1.5), (1e-4, 0.2))),
                         ("momentum", "momentum(x, lr = 0.02, dampening = 0.4)", lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, dampening=0.4)), ("momentum", "momentum(x, lr = 0.02, momentum = 0.5, dampening = 0.5, weight_decay = 0.1)", lambda p: torch.optim.SGD(p, 0.02, momentum=0.5, dampening=0.5, weight_decay=0.1))]:
    o.case(name, f"let t = f64({target.tolist()})\nlet w = f64({weight.tolist()})\nvar net = x\nvar opt = {call}\nfor i in 0..60 {{\n  let g = grad(fn(n) = sum((n - t) ** 2 * w))(net)\n  (net, opt) = opt.step(net, g)\n}}\nnet", trained(make), grad=(), note=call, x=o.normal(5))
loop = "var net = x\nvar opt = optim.rprop(x, lr = 0.1)\nfor i in 0..3 { (net, opt) = opt.step(net, g) }\nnet"
o.edge("zero", "rprop", loop, lambda x, g: x, grad=(), note="a gradient of zeros", x=np.array([1.0, -2.0]), g=np.zeros(2))
o.edge("empty", "rprop", loop, lambda x, g: x, grad=(), note="nothing to train", x=np.zeros(0), g=np.zeros(0))
o.edge("nan", "rprop", loop, lambda x, g: x - torch.stack([torch.zeros(()).double(), T(0.1 + 0.12 + 0.144)[0]]), grad=(), note="NaN in a gradient", x=np.array([1.0, -2.0]), g=np.array([nan, 1.0]), differs="as lion: a number whose gradient is NaN stays.")

# ---- distributions
n = (2, 3)
positive = lambda: o.uniform(*n, lo=0.4, hi=3.0)
counts = o.integers(*n, hi=6) * 1.0
for name, call, make, params, x in [
        ("HalfNormal", "HalfNormal(a)", D.HalfNormal, dict(a=positive()), positive()), ("Weibull", "Weibull(a, b)", D.Weibull, dict(a=positive(), b=positive()), positive()),
        ("Pareto", "Pareto(a, b)", D.Pareto, dict(a=o.uniform(*n, lo=0.2, hi=0.4), b=positive()), positive()), ("InverseGamma", "InverseGamma(a, b)", D.InverseGamma, dict(a=positive(), b=positive()), positive()),
        ("NegativeBinomial", "NegativeBinomial(a, b)", lambda a, b: D.NegativeBinomial(a, logits=b), dict(a=positive(), b=o.normal(*n)), counts)]:
    o.case(name, f"distributions.{call}.log_density(x)", lambda x, *p: make(*p).log_prob(x), grad=tuple(params), rtol=1e-8, x=x, **params)
    if name != "NegativeBinomial":
        o.case(name, f"distributions.{call}.entropy()", lambda *p: make(*p).entropy(), grad=(), **params)
o.case("Multinomial", "distributions.Multinomial(a).log_density(x)", lambda a, x: D.Multinomial(9, logits=a, validate_args=False).log_prob(x), grad=("a",), a=o.normal(2, 3), x=o.array([[2.0, 3.0, 4.0], [0.0, 9.0, 0.0]]))
from scipy import stats
for name, make, f, x in [("HalfNormal", "HalfNormal(2.0)", lambda x: stats.halfnorm.logpdf(x, scale=2.0), [nan, inf, -1.0, 0.0]), ("Weibull", "Weibull(2.0, 1.0)", lambda x: stats.weibull_min.logpdf(x, 1.0, scale=2.0), [nan, inf, -1.0, 0.0]),
                         ("Weibull", "Weibull(2.0, 3.0)", lambda x: stats.weibull_min.logpdf(x, 3.0, scale=2.0), [-1.0, 0.0]), ("Pareto", "Pareto(2.0, 3.0)", lambda x: stats.pareto.logpdf(x, 3.0, scale=2.0), [nan, inf, 1.0, 2.0]),
                         ("InverseGamma", "InverseGamma(2.0, 3.0)", lambda x: stats.invgamma.logpdf(x, 2.0, scale=3.0), [nan, inf, -1.0, 0.0]),
                         ("NegativeBinomial", "NegativeBinomial(2.0, 0.0)", lambda x: stats.nbinom.logpmf(x, 2.0, 0.5), [-1.0, 0.0, 50.0])]:
    o.edge("outside zero" + (" nan" if nan in x else "") + (" inf" if inf in x else ""), name, f"distributions.{make}.log_density(x)", lambda x: torch.as_tensor(f(x.numpy())), grad=(), x=np.array(x))
    o.edge("empty", name, f"distributions.{make}.log_density(x)", lambda x: x, grad=(), x=np.zeros(0))
o.edge("one zero", "Multinomial", "(distributions.Multinomial(a).log_density(x), distributions.Multinomial(b).log_density(y))", lambda a, b, x, y: (T(0.0)[0], T(0.0)[0]), grad=(), a=np.array([3.0]), b=np.array([-inf, 0.0]), x=np.array([4.0]), y=np.array([0.0, 2.0]))
# the means of 20000 draws, within 5 standard errors
for name, make, mean, sd in [("HalfNormal", "HalfNormal(s)", (2 / math.pi) ** 0.5, (1 - 2 / math.pi) ** 0.5), ("Weibull", "Weibull(s, 2.0 * s)", math.gamma(1.5), (1 - math.pi / 4) ** 0.5), ("Pareto", "Pareto(s, 4.0 * s)", 4 / 3, (2 / 9) ** 0.5),
                             ("InverseGamma", "InverseGamma(5.0 * s, 2.0 * s)", 0.5, (4 / (16 * 3)) ** 0.5), ("NegativeBinomial", "NegativeBinomial(3.0 * s, 0.0 * s)", 3.0, 6 ** 0.5)]:
    o.case(name, f"let s = ones(20000, dtype = f64)\nabs(mean(distributions.{make}.sample()) - {mean}) < {5 * sd / 20000 ** 0.5}", lambda: torch.tensor(True), grad=(), note=f"the mean of draws of {make}")
