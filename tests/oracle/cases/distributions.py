# Log densities and entropies of torch.distributions, and their gradients.
import torch
import torch.distributions as D

IMPORTS = ["distributions"]
n = (2, 3)
for name, other, params, x in [
        ("Normal", D.Normal, dict(a=o.normal(*n), b=o.uniform(*n, lo=0.3, hi=2.0)), o.normal(*n)),
        ("LogNormal", D.LogNormal, dict(a=o.normal(*n), b=o.uniform(*n, lo=0.3, hi=2.0)), o.uniform(*n, lo=0.1, hi=3.0)),
        ("Uniform", lambda a, b: D.Uniform(a, b, validate_args=False), dict(a=o.uniform(*n, lo=-1.0, hi=0.0), b=o.uniform(*n, lo=0.5, hi=2.0)), o.uniform(*n, lo=0.0, hi=0.4)),
        ("Exponential", D.Exponential, dict(a=o.uniform(*n, lo=0.3, hi=2.0)), o.uniform(*n, lo=0.1, hi=3.0)),
        ("Laplace", D.Laplace, dict(a=o.normal(*n), b=o.uniform(*n, lo=0.3, hi=2.0)), o.normal(*n)),
        ("Cauchy", D.Cauchy, dict(a=o.normal(*n), b=o.uniform(*n, lo=0.3, hi=2.0)), o.normal(*n)),
        ("Bernoulli", lambda a: D.Bernoulli(logits=a), dict(a=o.normal(*n, sd=2.0)), o.bools(*n) * 1.0),
        ("Geometric", D.Geometric, dict(a=o.uniform(*n, lo=0.1, hi=0.9)), o.integers(*n, hi=6) * 1.0)]:
    names = ", ".join(params)
    o.case(name, f"distributions.{name}({names}).log_density(x)", lambda x, *p: other(*p).log_prob(x),
           grad=tuple(params) + (("x",) if name in ("Normal", "LogNormal", "Exponential", "Laplace", "Cauchy") else ()), x=x, **params)
    o.case(name, f"distributions.{name}({names}).entropy()", lambda *p: other(*p).entropy(), **params)
o.case("Categorical", "distributions.Categorical(a).log_density(y)", lambda a, y: D.Categorical(logits=a).log_prob(y), a=o.normal(2, 3, 4), y=o.integers(2, 3, hi=4))
o.case("Categorical", "distributions.Categorical(a).entropy()", lambda a: D.Categorical(logits=a).entropy(), a=o.normal(2, 3, 4))
o.case("kl_normal", "distributions.kl_normal(a, b, c, d)", lambda a, b, c, d: D.kl_divergence(D.Normal(a, b), D.Normal(c, d)),
       a=o.normal(4), b=o.uniform(4, lo=0.3, hi=2.0), c=o.normal(4), d=o.uniform(4, lo=0.3, hi=2.0))

# PyTorch's trigamma, the derivative of its digamma, is right to some 1e-9 only: SciPy's in its place.
import scipy.special


class Digamma(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.special.psi(x)

    @staticmethod
    def backward(ctx, g):
        return g * torch.as_tensor(scipy.special.polygamma(1, ctx.saved_tensors[0].detach().numpy()))


own = torch.digamma, torch.Tensor.digamma
torch.digamma = torch.Tensor.digamma = lambda x: Digamma.apply(x)

# Gamma, Beta, Dirichlet, Poisson, Binomial, Student's t and normal vectors
positive = lambda *shape: o.uniform(*shape, lo=0.3, hi=4.0)
for name, other, params, x in [
        ("Gamma", D.Gamma, dict(a=positive(*n), b=positive(*n)), positive(*n)),
        ("Beta", D.Beta, dict(a=positive(*n), b=positive(*n)), o.uniform(*n, lo=0.05, hi=0.95)),
        ("StudentT", D.StudentT, dict(a=positive(*n), b=o.normal(*n), c=positive(*n)), o.normal(*n, sd=3.0))]:
    names = ", ".join(params)
    o.case(name, f"distributions.{name}({names}).log_density(x)", lambda x, *p: other(*p).log_prob(x), x=x, **params)
    o.case(name, f"distributions.{name}({names}).entropy()", lambda *p: other(*p).entropy(), **params)
o.case("Gamma", "distributions.Gamma(2.5, 1.5).log_density(x)", lambda x: D.Gamma(torch.tensor(2.5).double(), torch.tensor(1.5).double()).log_prob(x), x=positive(4))
o.case("Gamma", "distributions.Gamma(a, b).log_density(x)", lambda a, b, x: D.Gamma(a, b).log_prob(x), grad=(), a=o.array([100.0, 1e-3]), b=o.array([3.0, 1e-3]), x=o.array([30.0, 1e-8]))
o.case("Beta", "distributions.Beta(1.0, 1.0).log_density(x)", lambda x: D.Beta(1.0, 1.0).log_prob(x), grad=(), x=o.array([0.0, 0.5, 1.0]))
o.case("Dirichlet", "distributions.Dirichlet(a).log_density(x)", lambda a, x: D.Dirichlet(a, validate_args=False).log_prob(x), a=positive(3), x=o.array([0.2, 0.3, 0.5]))
o.case("Dirichlet", "distributions.Dirichlet(a).log_density(x)", lambda a, x: D.Dirichlet(a, validate_args=False).log_prob(x), a=positive(2, 3), x=o.array([[0.2, 0.3, 0.5], [0.05, 0.9, 0.05]]))
o.case("Dirichlet", "distributions.Dirichlet(a).entropy()", lambda a: D.Dirichlet(a).entropy(), a=positive(2, 3))
o.case("Poisson", "distributions.Poisson(a).log_density(x)", lambda a, x: D.Poisson(a).log_prob(x), grad=("a",), a=positive(*n), x=o.integers(*n, hi=9) * 1.0)
o.case("Poisson", "distributions.Poisson(a).log_density(x)", lambda a, x: D.Poisson(a).log_prob(x), grad=("a",), a=o.array([500.0, 0.01]), x=o.array([480.0, 0.0]))
o.case("Binomial", "distributions.Binomial(9.0, a).log_density(x)", lambda a, x: D.Binomial(9.0, logits=a).log_prob(x), grad=("a",), a=o.normal(*n), x=o.integers(*n, hi=10) * 1.0)
for d in (1, 3):
    s = o.positive_definite(d)
    o.case("MultivariateNormal", "distributions.MultivariateNormal(m, s).log_density(x)", lambda m, s, x: D.MultivariateNormal(m, (s + s.T) / 2).log_prob(x), m=o.normal(d), s=s, x=o.normal(2, 4, d))
    o.case("MultivariateNormal", "distributions.MultivariateNormal(m, s).entropy()", lambda m, s: D.MultivariateNormal(m, (s + s.T) / 2).entropy(), grad=("s",), m=o.normal(d), s=s)
    o.case("MultivariateNormal", "distributions.MultivariateNormal(m, s).kl(distributions.MultivariateNormal(m2, s2))",
           lambda m, s, m2, s2: D.kl_divergence(D.MultivariateNormal(m, (s + s.T) / 2), D.MultivariateNormal(m2, (s2 + s2.T) / 2)),
           m=o.normal(d), s=s, m2=o.normal(d), s2=o.positive_definite(d))
# divergences of two of a kind
for name, other, count, draws in [
        ("Normal", D.Normal, 2, (o.normal, positive)), ("LogNormal", D.LogNormal, 2, (o.normal, positive)),
        ("Exponential", D.Exponential, 1, (positive,)), ("Laplace", D.Laplace, 2, (o.normal, positive)),
        ("Gamma", D.Gamma, 2, (positive, positive)), ("Beta", D.Beta, 2, (positive, positive)), ("Dirichlet", D.Dirichlet, 1, (positive,)),
        ("Poisson", D.Poisson, 1, (positive,)), ("Cauchy", D.Cauchy, 2, (o.normal, positive)),
        ("Bernoulli", lambda a: D.Bernoulli(logits=a), 1, (o.normal,)), ("Categorical", lambda a: D.Categorical(logits=a), 1, (o.normal,)),
        ("Binomial", lambda a: D.Binomial(7.0, logits=a), 1, (o.normal,)),
        ("Geometric", D.Geometric, 1, (lambda *s: o.uniform(*s, lo=0.1, hi=0.9),))]:
    p, q = "abcd"[:count], "abcd"[count:2 * count]
    given = {k: draws[i % count](*n) for i, k in enumerate(p + q)}
    extra = "7.0, " if name == "Binomial" else ""
    o.case(name, f"distributions.{name}({extra}{', '.join(p)}).kl(distributions.{name}({extra}{', '.join(q)}))",
           lambda *v: D.kl_divergence(other(*v[:count]), other(*v[count:])), **given)
torch.digamma, torch.Tensor.digamma = own
