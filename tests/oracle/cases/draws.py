# Draws. A distribution is a function of random bits: with given bits the inverse of SciPy's distribution function says what must
# come out, or the Box-Muller formula. What draws by rejection is counted in twenty parts of equal probability, whose edges
# SciPy gives: 20000 draws of a fixed seed, each part within 4 standard deviations of a twentieth.
import numpy as np
import torch
from scipy import stats

IMPORTS = ["nn", "distributions"]
bits = o.integers(2, 6, lo=-2**63, hi=2**63 - 1)
unit = (bits >> 40 & 0xFFFFFF) * 2.0**-24 + 2.0**-25
low = (bits & 0xFFFFFF) * 2.0**-24 + 2.0**-25
fine = (bits >> 12 & (2**52 - 1)) * 2.0**-52 + 2.0**-53
normals = np.sqrt(-2 * np.log(unit)) * np.cos(2 * np.pi * low)


def exact(name, call, values, rtol=1e-10):
    o.case(name, f"{call}(bits, f64)", lambda b: torch.as_tensor(values), grad=(), rtol=rtol, bits=bits)


exact("uniform", "uniform(-1.5, 2.0)", stats.uniform.ppf(unit, -1.5, 3.5))
exact("normal", "normal(0.5, 2.0)", 0.5 + 2.0 * normals)
exact("log_normal", "log_normal(0.5, 0.3)", np.exp(0.5 + 0.3 * normals))
exact("truncated_normal", "truncated_normal(0.5, 2.0, -1.0, 3.0)", stats.truncnorm.ppf(fine, -0.75, 1.25, 0.5, 2.0), rtol=1e-9)
exact("exponential", "exponential(2.5)", stats.expon.isf(fine, scale=0.4))
exact("laplace", "laplace(0.5, 2.0)", stats.laplace.ppf(fine, 0.5, 2.0))
exact("gumbel", "gumbel(0.5, 2.0)", stats.gumbel_r.ppf(fine, 0.5, 2.0))
exact("logistic", "logistic(0.5, 2.0)", stats.logistic.ppf(fine, 0.5, 2.0))
exact("cauchy", "cauchy(0.5, 2.0)", stats.cauchy.ppf(fine, 0.5, 2.0))
exact("bernoulli", "bernoulli(0.4)", (unit < 0.4) * 1.0)
exact("rademacher", "rademacher()", (bits >> 33 & 2) - 1.0)
exact("integers", "integers(-3, 8)", (-3 + (bits & (2**63 - 1)) % 11) * 1.0)
p = np.array([0.2, 0.0, 0.5, 0.3])
o.case("categorical", "categorical(f64([0.2, 0.0, 0.5, 0.3]))(bits, i64)", lambda b: torch.as_tensor(np.searchsorted(np.cumsum(p), fine * np.cumsum(p)[-1], side="right")), grad=(), bits=bits)
# initialisers: the spreads of torch.nn.init, for a weight of 2 x 6
w = torch.empty(2, 6)
fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(w)
gain = torch.nn.init.calculate_gain
exact("kaiming_uniform", f"kaiming_uniform({fan_in}, sqrt(6.0))", stats.uniform.ppf(unit, -gain("relu") * (3 / fan_in) ** 0.5, 2 * gain("relu") * (3 / fan_in) ** 0.5))
exact("kaiming_uniform", f"kaiming_uniform({fan_in})", stats.uniform.ppf(unit, -gain("leaky_relu", 5**0.5) * (3 / fan_in) ** 0.5, 2 * gain("leaky_relu", 5**0.5) * (3 / fan_in) ** 0.5))
exact("kaiming_normal", f"kaiming_normal({fan_in})", normals * gain("relu") / fan_in**0.5)
exact("xavier_uniform", f"xavier_uniform({fan_in}, {fan_out}, {gain('tanh'):.16g})", stats.uniform.ppf(unit, -(5 / 3) * (6 / 8) ** 0.5, 2 * (5 / 3) * (6 / 8) ** 0.5))
exact("xavier_normal", f"xavier_normal({fan_in}, {fan_out})", normals * (2 / 8) ** 0.5)
exact("lecun_normal", f"lecun_normal({fan_in})", normals / fan_in**0.5)


def turned(z):
    q, r = np.linalg.qr(z.T)
    return (q * np.sign(np.diag(r))).T


exact("orthogonal", "orthogonal(1.5)", 1.5 * turned(normals))
o.case("orthogonal", "let q = orthogonal()(random_bits(5, 3), f64)\ntranspose(q) @ q", lambda: torch.eye(3).double(), grad=())


def counted(name, draw, distribution):
    edges = distribution.ppf(np.arange(1, 20) / 20)
    o.case(name, f"cast(bincount(searchsorted(edges, {draw}), 20), f64) / 20000.0", lambda e: torch.full((20,), 0.05), grad=(), rtol=0.0, atol=0.0062,
           edges=o.array(edges))


def drawn(text):
    return f"draw({text}, 20000, dtype = f64)"


counted("random_bits", "normal(0, 1)(random_bits(20000), f64)", stats.norm)
counted("draw", drawn("uniform(0, 1)"), stats.uniform)
for a in (0.4, 1.0, 7.5):
    counted("gamma", drawn(f"gamma({a}, 2.0)"), stats.gamma(a, scale=0.5))
for a, b in ((0.5, 0.7), (2.0, 5.0)):
    counted("beta", drawn(f"beta({a}, {b})"), stats.beta(a, b))
    counted("dirichlet", f"draw(dirichlet([{a}, {b}]), 20000, 2, dtype = f64)[.., 0]", stats.beta(a, b))
for df in (1.5, 8.0):
    counted("student_t", drawn(f"student_t({df}, 0.5, 2.0)"), stats.t(df, 0.5, 2.0))
for rate in (0.7, 6.0, 40.0):
    top = int(rate + 4 * rate**0.5) + 1
    o.case("poisson", f"cast(bincount(cast(minimum({drawn(f'poisson({rate})')}, {float(top)}), i64), {top + 1}), f64) / 20000.0",
           lambda: torch.as_tensor(np.append(stats.poisson.pmf(np.arange(top), rate), stats.poisson.sf(top - 1, rate))), grad=(), rtol=0.0, atol=0.0142)
o.case("sample_categorical", "mean(one_hot(sample_categorical(broadcast(x, 20000, 3)), 3, dtype = f64), axis = 0)", lambda x: torch.softmax(x, 0), grad=(), rtol=0.0, atol=0.0142, x=o.array([0.0, 1.0, 2.0]))
o.case("sample_categorical", "mean(one_hot(sample_categorical(broadcast(x, 20000, 3), 2.0), 3, dtype = f64), axis = 0)", lambda x: torch.softmax(x / 2, 0), grad=(), rtol=0.0, atol=0.0142, x=o.array([0.0, 1.0, 2.0]))
o.case("permutation", "sort(permutation(50, seed = 3))", lambda: torch.arange(50), grad=())
o.case("permutation", "let first = [permutation(5, seed = s)[0] for s in 0..4000]\ncast(bincount(first, 5), f64) / 4000.0", lambda: torch.full((5,), 0.2), grad=(), rtol=0.0, atol=0.026)
o.case("choice", "sort(choice(arange(9) * 2, 9, seed = 4))", lambda: torch.arange(9) * 2, grad=())
o.case("choice", "cast(bincount(choice(arange(5), 20000, seed = 4, replace = true), 5), f64) / 20000.0", lambda: torch.full((5,), 0.2), grad=(), rtol=0.0, atol=0.0114)
# in training each element is 0 or x / (1 - p), and the share of zeros is p; else nothing happens
o.case("dropout", "dropout(x, 0.3)", lambda x: torch.nn.functional.dropout(x, 0.3, training=False), x=o.normal(5))
o.case("dropout", "let y = train_mode(fn(v) = dropout(v, 0.3))(broadcast(x, 20000))\n(max(y), all(y == 0 or y == max(y)), mean(cast(y == 0, f64)))",
       lambda x: (x / 0.7, torch.tensor(True), torch.tensor(0.3).double()), grad=(), rtol=1e-10, atol=0.013, x=o.array(1.5))
# sample() of the distributions with log densities
def sampled(name, distribution, *given):
    counted(name, f"distributions.{name}({', '.join(f'full({v}, 20000, dtype = f64)' for v in given)}).sample()", distribution)


sampled("Normal", stats.norm(0.5, 2.0), 0.5, 2.0)
sampled("LogNormal", stats.lognorm(0.7, scale=np.exp(0.5)), 0.5, 0.7)
sampled("Uniform", stats.uniform(-1.0, 3.0), -1.0, 2.0)
sampled("Exponential", stats.expon(scale=0.4), 2.5)
sampled("Laplace", stats.laplace(0.5, 2.0), 0.5, 2.0)
sampled("Cauchy", stats.cauchy(0.5, 2.0), 0.5, 2.0)
sampled("Gamma", stats.gamma(2.5, scale=0.5), 2.5, 2.0)
sampled("Beta", stats.beta(2.0, 3.5), 2.0, 3.5)
sampled("StudentT", stats.t(4.0, 0.5, 2.0), 4.0, 0.5, 2.0)
counted("Dirichlet", "distributions.Dirichlet(broadcast(f64([2.0, 3.5]), 20000, 2)).sample()[.., 0]", stats.beta(2.0, 3.5))
counted("MultivariateNormal", "distributions.MultivariateNormal(f64([0.5, -1.0]), f64([[4.0, 1.0], [1.0, 2.0]])).sample(20000)[.., 1]", stats.norm(-1.0, 2**0.5))
o.case("MultivariateNormal", "covariance(distributions.MultivariateNormal(f64([0.5, -1.0]), f64([[4.0, 1.0], [1.0, 2.0]])).sample(20000))",
       lambda: torch.tensor([[4.0, 1.0], [1.0, 2.0]]).double(), grad=(), rtol=0.0, atol=0.17)
for name, given, p in [("Bernoulli", "full(0.7, 20000, dtype = f64)", [1 / (1 + np.exp(0.7))]), ("Geometric", "full(0.3, 20000, dtype = f64)", stats.geom(0.3, loc=-1).pmf(np.arange(6))),
                       ("Poisson", "full(2.0, 20000, dtype = f64)", stats.poisson(2.0).pmf(np.arange(6)))]:
    p = np.append(p, 1 - np.sum(p))
    o.case(name, f"cast(bincount(cast(minimum(distributions.{name}({given}).sample(), {len(p) - 1}.0), i64), {len(p)}), f64) / 20000.0",
           lambda: torch.as_tensor(p), grad=(), rtol=0.0, atol=0.0142)
o.case("Categorical", "mean(one_hot(distributions.Categorical(broadcast(x, 20000, 3)).sample(), 3, dtype = f64), axis = 0)", lambda x: torch.softmax(x, 0), grad=(), rtol=0.0, atol=0.0142,
       x=o.array([0.0, 1.0, 2.0]))
