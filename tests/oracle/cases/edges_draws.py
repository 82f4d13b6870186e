# Edges of distributions and draws: outside of the support and on its rim, no draws, one, parameters that leave no choice.
import math

import numpy as np
import torch
from scipy import stats

nan, inf = math.nan, math.inf
IMPORTS = ["distributions"]
T = lambda *v: torch.tensor(v, dtype=torch.float64)

for name, make, f, x in [
        ("Normal", "Normal(0.5, 2.0)", lambda x: stats.norm.logpdf(x, 0.5, 2.0), [nan, inf, -inf, 1e200, 0.5]),
        ("LogNormal", "LogNormal(0.5, 2.0)", lambda x: stats.lognorm.logpdf(x, 2.0, scale=math.exp(0.5)), [nan, inf, -1.0, 0.0, 1.0]),
        ("Exponential", "Exponential(2.0)", lambda x: stats.expon.logpdf(x, scale=0.5), [nan, inf, -1.0, 0.0, 1.0]),
        ("Laplace", "Laplace(0.5, 2.0)", lambda x: stats.laplace.logpdf(x, 0.5, 2.0), [nan, inf, -inf, 0.5]),
        ("Cauchy", "Cauchy(0.5, 2.0)", lambda x: stats.cauchy.logpdf(x, 0.5, 2.0), [nan, inf, -inf, 0.5]),
        ("Gamma", "Gamma(1.0, 2.0)", lambda x: stats.gamma.logpdf(x, 1.0, scale=0.5), [nan, inf, -1.0, 0.0, 1.0]),
        ("Gamma", "Gamma(3.0, 2.0)", lambda x: stats.gamma.logpdf(x, 3.0, scale=0.5), [nan, -1.0, 0.0, 1.0]),
        ("Gamma", "Gamma(0.5, 2.0)", lambda x: np.where(x == 0, inf, stats.gamma.logpdf(x, 0.5, scale=0.5)), [nan, -1.0, 0.0]),
        ("Beta", "Beta(2.0, 1.0)", lambda x: stats.beta.logpdf(x, 2.0, 1.0), [nan, -0.5, 1.5, 0.0, 1.0]),
        ("Beta", "Beta(1.0, 1.0)", lambda x: stats.beta.logpdf(x, 1.0, 1.0), [nan, -0.5, 1.5, 0.0, 1.0]),
        ("StudentT", "StudentT(3.0, 0.5, 2.0)", lambda x: stats.t.logpdf(x, 3.0, 0.5, 2.0), [nan, inf, -inf, 0.5]),
        ("Geometric", "Geometric(0.25)", lambda x: stats.geom.logpmf(x + 1, 0.25), [-1.0, 0.0, 3.0]),
        ("Geometric", "Geometric(1.0)", lambda x: stats.geom.logpmf(x + 1, 1.0), [-1.0, 0.0, 3.0]),
        ("Poisson", "Poisson(2.0)", lambda x: stats.poisson.logpmf(x, 2.0), [-1.0, 0.0, 300.0]),
        ("Binomial", "Binomial(3.0, 0.0)", lambda x: stats.binom.logpmf(x, 3, 0.5), [-1.0, 0.0, 3.0, 4.0])]:
    o.edge("nan outside zero" if nan in x else "outside zero", name, f"distributions.{make}.log_density(x)", lambda x: torch.as_tensor(f(x.numpy())), grad=(), atol=1e-9, x=np.array(x))
    o.edge("empty", name, f"distributions.{make}.log_density(x)", lambda x: x, x=np.zeros(0), grad=())
o.edge("outside", "Exponential", "distributions.Exponential(2.0).log_density(x)", lambda x: T(-inf), grad=(), x=np.array([-1.0]), differs="log densities are -inf outside of the support, also of LogNormal, Gamma, Beta, Dirichlet and Geometric; PyTorch stops with an error, or gives the formula's number if told not to check.",
       pytorch=lambda x: torch.distributions.Exponential(2.0, validate_args=False).log_prob(x))
o.edge("outside ties nan inf", "Uniform", "distributions.Uniform(f64(0.0), f64(2.0)).log_density(x)", lambda x: torch.distributions.Uniform(T(0.0)[0], T(2.0)[0], validate_args=False).log_prob(x).where(~x.isnan(), T(nan)), grad=(), x=np.array([-0.1, 0.0, 2.0, 1.0, inf, nan]))
o.edge("zero", "Poisson", "distributions.Poisson(0.0).log_density(x)", lambda x: T(0.0, -inf), grad=(), x=np.array([0.0, 1.0]))
o.edge("large", "Bernoulli", "distributions.Bernoulli(a).log_density(x)", lambda a, x: torch.distributions.Bernoulli(logits=a).log_prob(x), grad=("a",), a=np.array([800.0, -800.0, 800.0]), x=np.array([1.0, 1.0, 0.0]))
o.edge("large", "Bernoulli", "distributions.Bernoulli(a).entropy()", lambda a: T(0.0, 0.0), grad=(), a=np.array([800.0, -800.0]))
o.edge("empty", "Bernoulli", "distributions.Bernoulli(a).entropy()", lambda a: a, a=np.zeros(0))
o.edge("one", "Categorical", "let d = distributions.Categorical(a)\n(d.log_density([0]), d.entropy(), d.sample())", lambda a: (T(0.0), T(0.0), torch.tensor([0])), grad=(), a=np.array([[3.0]]))
o.refused("outside", "Categorical", "distributions.Categorical(a).log_density([2])", "", pytorch=lambda a: torch.distributions.Categorical(logits=a).log_prob(torch.tensor([2])), a=np.zeros((1, 2)))
o.edge("inf", "Categorical", "distributions.Categorical(a).log_density([1, 0])", lambda a: torch.distributions.Categorical(logits=a, validate_args=False).log_prob(torch.tensor([1, 0])), grad=(), a=np.array([[-inf, 0.0], [-inf, 0.0]]))
o.edge("outside one", "Dirichlet", "(distributions.Dirichlet(a).log_density(x), distributions.Dirichlet(b).log_density(y))", lambda a, b, x, y: (T(-inf), T(0.0)), grad=(), a=np.array([[2.0, 1.0]]), b=np.array([[3.0]]), x=np.array([[-0.5, 1.5]]), y=np.array([[1.0]]))
o.edge("zero", "Dirichlet", "distributions.Dirichlet(a).log_density(x)", lambda a, x: torch.distributions.Dirichlet(a, validate_args=False).log_prob(x), grad=(), a=np.array([1.0, 1.0]), x=np.array([0.0, 1.0]))
o.edge("one", "MultivariateNormal", "distributions.MultivariateNormal(m, s).log_density(x)", lambda m, s, x: torch.distributions.MultivariateNormal(m, s).log_prob(x), m=np.array([0.5]), s=np.array([[2.0]]), x=np.array([[1.0]]))
o.edge("singular", "MultivariateNormal", "isfinite(distributions.MultivariateNormal(m, s).log_density(x))", lambda m, s, x: torch.tensor([False]), grad=(), m=np.zeros(2), s=np.ones((2, 2)), x=np.array([[1.0, 0.0]]), differs="a covariance that is not positive definite gives numbers that are not finite; PyTorch stops with an error.",
       pytorch=lambda m, s, x: torch.distributions.MultivariateNormal(m, s).log_prob(x))
o.edge("nan", "MultivariateNormal", "distributions.MultivariateNormal(m, s).log_density(x)", lambda m, s, x: T(nan), grad=(), m=np.zeros(2), s=np.eye(2), x=np.array([[nan, 0.0]]))
o.edge("ties", "kl_normal", "distributions.kl_normal(a, b, a, b)", lambda a, b: 0 * a, grad=(), a=o.normal(3), b=o.uniform(3, lo=0.5))
o.edge("zero", "kl_normal", "distributions.kl_normal(a, b)", lambda a, b: T(inf), grad=(), a=np.zeros(1), b=np.zeros(1))
o.edge("empty", "kl_normal", "distributions.kl_normal(a, b)", lambda a, b: a, grad=(), a=np.zeros(0), b=np.zeros(0))
for name, make in [("Normal", "Normal(a, b)"), ("Laplace", "Laplace(a, b)"), ("Cauchy", "Cauchy(a, b)"), ("Gamma", "Gamma(b, b)"), ("Beta", "Beta(b, b)"), ("Exponential", "Exponential(b)"), ("Poisson", "Poisson(b)"), ("Bernoulli", "Bernoulli(a)"), ("Geometric", "Geometric(b / 2.0)"), ("LogNormal", "LogNormal(a, b)")]:
    o.edge("ties", name, f"let p = distributions.{make}\np.kl(p)", lambda a, b: 0 * a, grad=(), note="kl of itself", a=o.normal(3), b=o.uniform(3, lo=0.5, hi=1.5))

# ---- draws
none = np.zeros(0, dtype=np.int64)
for name, make in [("uniform", "uniform(0, 1)"), ("normal", "normal(0, 1)"), ("truncated_normal", "truncated_normal()"), ("bernoulli", "bernoulli(0.5)"), ("rademacher", "rademacher()"), ("integers", "integers(0, 3)"),
                   ("exponential", "exponential(1.0)"), ("laplace", "laplace(0, 1)"), ("gumbel", "gumbel(0, 1)"), ("logistic", "logistic(0, 1)"), ("cauchy", "cauchy(0, 1)"), ("log_normal", "log_normal(0, 1)"), ("gamma", "gamma(2.0, 1.0)"),
                   ("beta", "beta(1.0, 2.0)"), ("student_t", "student_t(3.0)"), ("poisson", "poisson(4.0)"), ("categorical", "categorical(f64([0.5, 0.5]))"), ("kaiming_uniform", "kaiming_uniform(3)"), ("kaiming_normal", "kaiming_normal(3)"),
                   ("xavier_uniform", "xavier_uniform(3, 3)"), ("xavier_normal", "xavier_normal(3, 3)"), ("lecun_normal", "lecun_normal(3)")]:
    o.edge("empty", name, f"draw({make}, 0, 3, dtype = f64)", lambda: torch.zeros(0, 3).double(), grad=(), also=("draw",))
    o.edge("one", name, f"isfinite(draw({make}, 1, dtype = f64))", lambda: torch.tensor([True]), grad=())
for name, make, value in [("uniform", "uniform(2.0, 2.0)", 2.0), ("normal", "normal(2.0, 0.0)", 2.0), ("truncated_normal", "truncated_normal(0.0, 1.0, 0.5, 0.5)", 0.5), ("bernoulli", "bernoulli(0.0)", 0.0), ("bernoulli", "bernoulli(1.0)", 1.0), ("integers", "integers(3, 4)", 3.0),
                          ("laplace", "laplace(2.0, 0.0)", 2.0), ("gumbel", "gumbel(2.0, 0.0)", 2.0), ("logistic", "logistic(2.0, 0.0)", 2.0), ("cauchy", "cauchy(2.0, 0.0)", 2.0), ("log_normal", "log_normal(0.0, 0.0)", 1.0), ("poisson", "poisson(0.0)", 0.0),
                          ("categorical", "categorical(f64([0.0, 0.0, 2.0]))", 2.0), ("student_t", "student_t(3.0, 2.0, 0.0)", 2.0)]:
    o.edge("zero ties", name, f"draw({make}, 4, dtype = f64)", lambda: torch.full((4,), value).double(), grad=(), rtol=1e-6)
o.refused("outside", "bernoulli", "draw(bernoulli(1.5), 2)", "probability", pytorch=lambda: torch.bernoulli(torch.tensor(1.5)))
o.refused("outside", "integers", "draw(integers(3, 3), 2)", "lo", pytorch=lambda: torch.randint(3, 3, (1,)))
o.edge("one", "dirichlet", "draw(dirichlet(f64([2.0])), 3, 1, dtype = f64)", lambda: torch.ones(3, 1).double(), grad=())
o.edge("empty", "dirichlet", "draw(dirichlet(f64([2.0, 1.0])), 0, 2, dtype = f64)", lambda: torch.zeros(0, 2).double(), grad=())
o.edge("large", "gamma", "let g = draw(gamma(1.0e8, 1.0e8), 9, dtype = f64)\nmax(abs(g - 1.0)) < 1.0e-3", lambda: torch.tensor(True), grad=())
o.edge("zero", "gamma", "let g = draw(gamma(0.01, 1.0), 99, dtype = f64)\nall(g >= 0 and g < 10)", lambda: torch.tensor(True), grad=())
o.edge("empty one", "permutation", "(permutation(0), permutation(1), sort(permutation(3)))", lambda: (torch.zeros(0).long(), torch.tensor([0]), torch.arange(3)), grad=())
o.edge("empty one", "choice", "(choice(x, 0), choice(x[..1], 1), choice(x[..1], 3, replace = true))", lambda x: (x[:0], x[:1], x[:1].repeat(3)), grad=(), x=o.normal(3))
o.refused("outside", "choice", "choice(x, 4)", "", x=np.zeros(3))
o.edge("empty one inf", "sample_categorical", "(sample_categorical(zeros(0, 3)), sample_categorical(x), sample_categorical(y))", lambda x, y: (torch.zeros(0).long(), torch.tensor([0]), torch.tensor([1])), grad=(), x=np.zeros((1, 1)), y=np.array([[-inf, 0.0]]))
o.edge("one", "orthogonal", "abs(draw(orthogonal(), 1, 1, dtype = f64))", lambda: torch.ones(1, 1).double(), grad=())
o.edge("empty", "orthogonal", "draw(orthogonal(), 0, 3, dtype = f64)", lambda: torch.zeros(0, 3).double(), grad=())
o.edge("empty one", "random_bits", "(random_bits(0), shape(random_bits(1))[0] + 0)", lambda: (torch.zeros(0).long(), torch.tensor(1)), grad=())
