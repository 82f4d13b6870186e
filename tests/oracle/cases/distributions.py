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
