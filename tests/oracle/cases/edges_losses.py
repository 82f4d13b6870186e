# Edges of losses and metrics: no rows, every label ignored, one class, perfect and impossible predictions, NaN, infinities.
import math

import numpy as np
import torch
from torch.nn import functional as F

nan, inf = math.nan, math.inf
IMPORTS = ["nn", "metrics"]
none2, labels0 = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)

for reduction in ["mean", "sum", "none"]:
    r = f', reduction = "{reduction}"'
    for name, call, f in [("cross_entropy", "cross_entropy(x, y", F.cross_entropy), ("nll", "nn.nll(x, y", F.nll_loss)]:
        o.edge("empty", name, f"{call}{r})", lambda x, y: f(x, y, reduction=reduction), grad=() if reduction == "mean" else None, x=none2, y=labels0)
        o.edge("outside", name, f"{call}, ignore = 1{r})", lambda x, y: f(x, y, ignore_index=1, reduction=reduction), grad=() if reduction == "mean" else None, x=o.normal(2, 3), y=np.array([1, 1]))
        o.edge("zero", name, f"{call}, weight = f64([0.0, 1.0, 1.0]){r})", lambda x, y: f(x, y, torch.tensor([0.0, 1.0, 1.0]).double(), reduction=reduction), grad=() if reduction == "mean" else None, x=o.normal(2, 3), y=np.array([0, 0]))
    for name, call, f in [("mse", "mse(x, y", F.mse_loss), ("l1", "nn.l1(x, y", F.l1_loss), ("huber", "nn.huber(x, y", F.huber_loss), ("smooth_l1", "nn.smooth_l1(x, y", F.smooth_l1_loss),
                          ("binary_cross_entropy", "nn.binary_cross_entropy(x, y", F.binary_cross_entropy), ("binary_cross_entropy_with_logits", "nn.binary_cross_entropy_with_logits(x, y", F.binary_cross_entropy_with_logits),
                          ("soft_margin", "nn.soft_margin(x, y", F.soft_margin_loss), ("hinge_embedding", "nn.hinge_embedding(x, y", F.hinge_embedding_loss),
                          ("poisson_nll", "nn.poisson_nll(x, y", F.poisson_nll_loss)]:
        o.edge("empty", name, f"{call}{r})", lambda x, y: f(x, y, reduction=reduction), grad=() if reduction == "mean" else ("x",), x=np.zeros(0), y=np.zeros(0))
x1 = np.array([[0.5]])
o.edge("one", "cross_entropy", "cross_entropy(x, y)", F.cross_entropy, x=x1, y=np.array([0]))
o.edge("ties", "cross_entropy", "cross_entropy(x, y)", F.cross_entropy, x=np.zeros((1, 3)), y=np.array([1]))
o.edge("inf large", "cross_entropy", 'cross_entropy(x, y, reduction = "none")', lambda x, y: F.cross_entropy(x, y, reduction="none"), grad=(), x=np.array([[-inf, 0.0], [1e300, -1e300], [0.0, -inf]]), y=np.array([1, 1, 1]))
o.edge("nan", "cross_entropy", "cross_entropy(x, y)", F.cross_entropy, grad=(), x=np.array([[nan, 0.0]]), y=np.array([1]))
o.edge("outside", "cross_entropy", "cross_entropy(x, y, ignore = 0)", lambda x, y: F.cross_entropy(x, y, ignore_index=0), x=o.normal(2, 3), y=np.array([0, 2]))
o.refused("outside", "cross_entropy", "cross_entropy(x, y)", "class", pytorch=F.cross_entropy, x=np.zeros((1, 2)), y=np.array([2]))
o.refused("outside", "nll", "nn.nll(x, y)", "class", pytorch=F.nll_loss, x=np.zeros((1, 2)), y=np.array([-1]))
for name, call, f in [("mse", "mse", F.mse_loss), ("l1", "nn.l1", F.l1_loss), ("huber", "nn.huber", F.huber_loss), ("smooth_l1", "nn.smooth_l1", F.smooth_l1_loss)]:
    o.edge("one ties zero", name, f'{call}(x, y, reduction = "none")', lambda x, y: f(x, y, reduction="none"), x=np.array([1.0, 0.0, 2.0]), y=np.array([1.0, 0.0, 1.0]))
    o.edge("nan inf", name, f'{call}(x, y, reduction = "none")', lambda x, y: f(x, y, reduction="none"), grad=(), x=np.array([nan, inf, -inf]), y=np.array([1.0, 0.0, 1.0]))
p, t = np.array([0.0, 1.0, 0.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
o.edge("zero outside", "binary_cross_entropy", 'nn.binary_cross_entropy(p, t, reduction = "none")', lambda p, t: F.binary_cross_entropy(p, t, reduction="none"), grad=(), p=p, t=t)
o.edge("inf zero large", "binary_cross_entropy_with_logits", 'nn.binary_cross_entropy_with_logits(x, t, reduction = "none")', lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"), grad=("x",), x=np.array([0.0, 800.0, -800.0, 800.0]), t=np.array([0.0, 1.0, 1.0, 0.0]))
o.edge("nan", "binary_cross_entropy", "nn.binary_cross_entropy(p, t)", lambda p, t: torch.tensor(nan).double(), grad=(), p=np.array([nan]), t=np.array([1.0]))
o.edge("nan", "binary_cross_entropy_with_logits", "nn.binary_cross_entropy_with_logits(p, t)", lambda p, t: torch.tensor(nan).double(), grad=(), p=np.array([nan]), t=np.array([1.0]))
o.edge("empty", "log_cosh", 'nn.log_cosh(x, y, reduction = "none")', lambda x, y: x - y, x=np.zeros(0), y=np.zeros(0))
o.edge("one zero large nan inf", "log_cosh", 'nn.log_cosh(x, y, reduction = "none")', lambda x, y: torch.tensor([0.0, 1e300, 1e300, nan, inf], dtype=torch.float64), grad=(), x=np.array([0.0, 1e300, -1e300, nan, inf]), y=np.zeros(5))
o.edge("empty", "quantile_loss", 'nn.quantile_loss(x, y, 0.3, reduction = "none")', lambda x, y: x - y, x=np.zeros(0), y=np.zeros(0))
o.edge("ties nan inf", "quantile_loss", 'nn.quantile_loss(x, y, 0.25, reduction = "none")', lambda x, y: torch.where(y > x, 0.25 * (y - x), 0.75 * (x - y)), grad=(), x=np.array([1.0, nan, inf]), y=np.array([1.0, 0.0, 0.0]))
kl = lambda q, p: F.kl_div(q, p, reduction="none").sum(-1)
o.edge("empty", "kl_divergence", 'nn.kl_divergence(q, p, reduction = "none")', kl, grad=("q",), q=none2, p=none2)
o.edge("zero one", "kl_divergence", 'nn.kl_divergence(q, p, reduction = "none")', kl, grad=("q",), q=np.array([[-1.0, -2.0], [-0.5, -1.0]]), p=np.array([[0.0, 1.0], [0.0, 0.0]]))
o.edge("inf", "kl_divergence", 'nn.kl_divergence(q, p, reduction = "none")', kl, grad=(), q=np.array([[-inf, 0.0]]), p=np.array([[0.5, 0.5]]))
o.edge("nan", "kl_divergence", 'nn.kl_divergence(q, p, reduction = "none")', kl, grad=(), q=np.array([[nan, 0.0]]), p=np.array([[0.5, 0.5]]))
for name, call, f in [("hinge", "nn.hinge(x, y", lambda x, y: F.relu(1 - y * x)), ("hinge_embedding", "nn.hinge_embedding(x, y", lambda x, y: F.hinge_embedding_loss(x, y, reduction="none")), ("soft_margin", "nn.soft_margin(x, y", lambda x, y: F.softplus(-y * x))]:
    o.edge("empty", name, f'{call}, reduction = "none")', lambda x, y: x * y, x=np.zeros(0), y=np.zeros(0), grad=())
    o.edge("one ties", name, f'{call}, reduction = "none")', f, grad=("x",), x=np.array([0.5, 2.0]), y=np.array([1.0, -1.0]))
    o.edge("nan inf", name, f'{call}, reduction = "none")', f, grad=(), x=np.array([nan, inf, -inf]), y=np.array([1.0, 1.0, 1.0]))
multi = lambda x, y: F.multi_margin_loss(x, y, reduction="none")
o.edge("empty", "multi_hinge", 'nn.multi_hinge(x, y, reduction = "none")', lambda x, y: x.sum(1), x=none2, y=labels0)
o.edge("one ties", "multi_hinge", 'nn.multi_hinge(x, y, reduction = "none")', multi, x=np.array([[0.5, 0.5]]), y=np.array([0]))
o.edge("nan", "multi_hinge", 'isnan(nn.multi_hinge(x, y))', lambda x, y: torch.tensor(True), grad=(), x=np.array([[nan, 0.5]]), y=np.array([1]))
o.edge("one inf", "multilabel_soft_margin", 'nn.multilabel_soft_margin(x, y, reduction = "none")', lambda x, y: F.multilabel_soft_margin_loss(x, y, reduction="none"), grad=("x",), x=np.array([[0.0], [700.0]]), y=np.array([[1.0], [0.0]]))
o.edge("empty", "multilabel_soft_margin", 'nn.multilabel_soft_margin(x, y, reduction = "none")', lambda x, y: x.sum(1), grad=("x",), x=none2, y=none2)
o.edge("empty", "margin_ranking", 'nn.margin_ranking(a, b, y, reduction = "none")', lambda a, b, y: a - b, grad=(), a=np.zeros(0), b=np.zeros(0), y=np.zeros(0))
o.edge("ties nan inf", "margin_ranking", 'nn.margin_ranking(a, b, y, reduction = "none")', lambda a, b, y: F.margin_ranking_loss(a, b, y, reduction="none"), grad=(), a=np.array([1.0, nan, inf]), b=np.array([1.0, 0.0, 0.0]), y=np.array([1.0, 1.0, -1.0]))
z = np.array([[0.0, 0.0], [1.0, 0.0]])
w = np.array([[1.0, 2.0], [1.0, 0.0]])
o.edge("zero ties", "cosine_similarity", "nn.cosine_similarity(a, b)", F.cosine_similarity, a=w, b=w[::-1].copy())
o.edge("zero", "cosine_similarity", "nn.cosine_similarity(a, b)", lambda a, b: torch.tensor([0.0, 1.0]).double(), grad=(), a=z, b=w)
o.edge("empty", "cosine_similarity", "nn.cosine_similarity(a, b)", F.cosine_similarity, a=none2, b=none2)
o.edge("nan", "cosine_similarity", "nn.cosine_similarity(a, b)", F.cosine_similarity, grad=(), a=np.array([[nan, 1.0]]), b=w[:1])
o.edge("zero one", "cosine_embedding", 'nn.cosine_embedding(a, b, y, reduction = "none")', lambda a, b, y: torch.tensor([1.0, 1.0]).double(), grad=(), a=z, b=w, y=np.array([1.0, -1.0]))
o.edge("empty", "cosine_embedding", 'nn.cosine_embedding(a, b, y, reduction = "none")', lambda a, b, y: y, grad=(), a=none2, b=none2, y=np.zeros(0))
o.edge("nan", "cosine_embedding", "nn.cosine_embedding(a, b, y)", lambda a, b, y: torch.tensor(nan).double(), grad=(), a=np.array([[nan, 1.0]]), b=w[:1], y=np.array([1.0]))
o.edge("zero ties", "pairwise_distance", "nn.pairwise_distance(a, b)", F.pairwise_distance, a=w, b=w)
o.edge("empty", "pairwise_distance", "nn.pairwise_distance(a, b)", F.pairwise_distance, a=none2, b=none2)
o.edge("nan inf", "pairwise_distance", "nn.pairwise_distance(a, b)", F.pairwise_distance, grad=(), a=np.array([[nan, 1.0], [inf, 0.0]]), b=w)
triplet = lambda a, p, n: F.triplet_margin_loss(a, p, n, reduction="none")
o.edge("ties", "triplet", 'nn.triplet(a, p, n, reduction = "none")', triplet, a=w, p=w, n=w)
o.edge("empty", "triplet", 'nn.triplet(a, p, n, reduction = "none")', lambda a, p, n: a.sum(1), grad=(), a=none2, p=none2, n=none2)
o.edge("nan", "triplet", "nn.triplet(a, p, n)", lambda a, p, n: torch.tensor(nan).double(), grad=(), a=np.array([[nan, 1.0]]), p=w[:1], n=w[:1])
o.edge("ties", "contrastive", 'nn.contrastive(a, b, y, reduction = "none")', lambda a, b, y: (lambda d: y * d ** 2 + (1 - y) * F.relu(1 - d) ** 2)(F.pairwise_distance(a, b)), a=w, b=w, y=np.array([0.0, 1.0]), grad=("a", "b"))
o.edge("empty", "contrastive", 'nn.contrastive(a, b, y, reduction = "none")', lambda a, b, y: y, grad=(), a=none2, b=none2, y=np.zeros(0))
o.edge("nan", "contrastive", "nn.contrastive(a, b, y)", lambda a, b, y: torch.tensor(nan).double(), grad=(), a=np.array([[nan, 1.0]]), b=w[:1], y=np.array([1.0]))
o.edge("one", "info_nce", "nn.info_nce(a, b)", lambda a, b: torch.zeros(()).double(), grad=(), a=w[:1], b=w[1:])
o.edge("zero", "info_nce", "nn.info_nce(a, b)", lambda a, b: torch.log(torch.tensor(2.0)).double(), grad=(), a=np.zeros((2, 2)), b=np.zeros((2, 2)), rtol=1e-7)
o.edge("nan", "info_nce", "nn.info_nce(a, b)", lambda a, b: torch.tensor(nan).double(), grad=(), a=np.array([[nan, 1.0], [1.0, 1.0]]), b=w)
o.edge("empty", "focal", 'nn.focal(x, y, reduction = "none")', lambda x, y: x, grad=("x",), x=np.zeros(0), y=np.zeros(0))


def focal(x, y):
    p = torch.sigmoid(x)
    q = p * y + (1 - p) * (1 - y)
    return (0.25 * y + 0.75 * (1 - y)) * (1 - q) ** 2 * F.binary_cross_entropy_with_logits(x, y, reduction="none")


o.edge("one zero large", "focal", 'nn.focal(x, y, reduction = "none")', focal, grad=("x",), x=np.array([0.0, 700.0, -700.0, 700.0]), y=np.array([1.0, 1.0, 1.0, 0.0]))
o.edge("nan", "focal", 'nn.focal(x, y, reduction = "none")', focal, grad=(), x=np.array([nan]), y=np.array([1.0]))
o.edge("zero", "dice", 'nn.dice(p, y, reduction = "none")', lambda p, y: 1 - (2 * (p * y).sum(1) + 1e-6) / (p.sum(1) + y.sum(1) + 1e-6), grad=("p",), p=np.array([[0.0, 0.0], [1.0, 0.0]]), y=np.array([[0.0, 0.0], [1.0, 0.0]]))
o.edge("empty", "dice", 'nn.dice(p, y, reduction = "none")', lambda p, y: p.sum(1), grad=(), p=none2, y=none2)
o.edge("nan", "dice", "nn.dice(p, y)", lambda p, y: torch.tensor(nan).double(), grad=(), p=np.array([[nan, 1.0]]), y=w[:1])
gauss = lambda m, y, v: F.gaussian_nll_loss(m, y, v, reduction="none")
o.edge("zero ties", "gaussian_nll", 'nn.gaussian_nll(m, y, v, reduction = "none")', gauss, grad=("m", "v"), m=np.array([1.0, 2.0]), y=np.array([1.0, 1.0]), v=np.array([0.0, 1e-9]))
o.edge("empty", "gaussian_nll", 'nn.gaussian_nll(m, y, v, reduction = "none")', lambda m, y, v: m, grad=("m",), m=np.zeros(0), y=np.zeros(0), v=np.zeros(0))
o.edge("nan", "gaussian_nll", 'nn.gaussian_nll(m, y, v)', lambda m, y, v: torch.tensor(nan).double(), grad=(), m=np.array([nan]), y=np.zeros(1), v=np.ones(1))
o.edge("zero nan inf", "poisson_nll", 'nn.poisson_nll(x, y, reduction = "none")', lambda x, y: F.poisson_nll_loss(x, y, reduction="none"), grad=(), x=np.array([0.0, nan, inf, -inf]), y=np.array([0.0, 1.0, 1.0, 1.0]))


# ---- ctc: impossible alignments, empty targets, one step
def ctc(x, targets, lengths, sizes):
    return F.ctc_loss(torch.log_softmax(x, 2).transpose(0, 1), targets, lengths, sizes, reduction="none")


CTC = 'nn.ctc(log_softmax(x), t, n, m, reduction = "none")'
o.edge("one", "ctc", CTC, ctc, grad=("x",), x=o.normal(1, 1, 3), t=np.array([[1]]), n=np.array([1]), m=np.array([1]))
o.edge("zero", "ctc", CTC, ctc, grad=("x",), x=o.normal(2, 3, 3), t=np.array([[1, 1], [2, 1]]), n=np.array([3, 2]), m=np.array([2, 0]))
o.edge("outside", "ctc", "sum(where(isinf(nn.ctc(log_softmax(x), t, n, m, reduction = \"none\")), 0, nn.ctc(log_softmax(x), t, n, m, reduction = \"none\")))", lambda x, t, n, m: 0 * x.sum(), x=o.normal(1, 2, 3), t=np.array([[1, 1]]), n=np.array([2]), m=np.array([2]),
       differs="a target too long for its steps costs infinity with the derivative 0; PyTorch's is NaN, so there zero_infinity is needed.", pytorch=lambda x, t, n, m: torch.autograd.grad(ctc(x, t, n, m).sum(), x)[0])
o.edge("outside inf", "ctc", CTC, ctc, grad=(), x=o.normal(3, 2, 3), t=np.array([[1, 1], [1, 2], [2, 2]]), n=np.array([2, 1, 2]), m=np.array([2, 2, 1]))
o.edge("outside", "ctc", 'nn.ctc(log_softmax(x), t, n, m, reduction = "sum", zero_infinity = true)', lambda x, t, n, m: F.ctc_loss(torch.log_softmax(x, 2).transpose(0, 1), t, n, m, reduction="sum", zero_infinity=True), grad=("x",),
       x=o.normal(3, 3, 3), t=np.array([[1, 1], [1, 2], [2, 2]]), n=np.array([2, 3, 1]), m=np.array([2, 2, 1]))
o.edge("empty", "ctc", CTC, lambda x, t, n, m: torch.zeros(0).double(), grad=(), x=np.zeros((0, 2, 3)), t=np.zeros((0, 2), dtype=np.int64), n=labels0, m=labels0)
o.edge("nan", "ctc", CTC, lambda x, t, n, m: torch.tensor([nan]).double(), grad=(), x=np.array([[[nan, 0.0]]]), t=np.array([[1]]), n=np.array([1]), m=np.array([1]))

# ---- metrics
NAN = lambda *_: torch.tensor(nan).double()
o.edge("one", "auc", "metrics.auc(s, y)", NAN, grad=(), s=np.array([0.5]), y=np.array([1]))
o.edge("outside", "auc", "metrics.auc(s, y)", NAN, grad=(), s=np.array([0.5, 0.1]), y=np.array([0, 0]))
o.edge("ties", "auc", "metrics.auc(s, y)", lambda s, y: torch.tensor(0.5).double(), grad=(), s=np.ones(4), y=np.array([0, 1, 0, 1]))
o.edge("inf", "auc", "metrics.auc(s, y)", lambda s, y: torch.tensor(1.0).double(), grad=(), s=np.array([-inf, inf]), y=np.array([0, 1]))
o.edge("empty", "auc", "metrics.auc(s, y)", NAN, grad=(), s=np.zeros(0), y=labels0)
o.edge("nan", "auc", "metrics.auc(s, y)", NAN, grad=(), s=np.array([nan, 1.0, 0.0]), y=np.array([0, 1, 0]))
o.edge("empty", "accuracy", "f64(accuracy(x, y))", NAN, grad=(), x=none2, y=labels0)
o.edge("one ties nan", "accuracy", "f64(accuracy(x, y))", lambda x, y: (x.argmax(1) == y).double().mean(), grad=(), x=np.array([[1.0, 1.0], [nan, 0.0], [0.0, 2.0], [0.0, nan]]), y=np.array([0, 1, 1, 1]))
o.edge("empty", "top_k_accuracy", "metrics.top_k_accuracy(x, y, 2)", NAN, grad=(), x=none2, y=labels0)
o.edge("one ties", "top_k_accuracy", "metrics.top_k_accuracy(x, y, 1)", lambda x, y: torch.tensor(1.0).double(), grad=(), x=np.array([[1.0, 1.0]]), y=np.array([1]), differs="a label as good as the k-th counts.")
o.edge("outside", "top_k_accuracy", "metrics.top_k_accuracy(x, y, 9)", lambda x, y: torch.tensor(1.0).double(), grad=(), x=np.array([[1.0, 2.0]]), y=np.array([0]))
o.edge("nan", "top_k_accuracy", "metrics.top_k_accuracy(x, y, 1)", lambda x, y: torch.tensor(0.0).double(), grad=(), x=np.array([[nan, 2.0]]), y=np.array([0]))
for name, f in [("confusion_matrix", None), ("precision", 0), ("recall", 0), ("f1", 0)]:
    zeros = torch.zeros(2, 2).long() if f is None else torch.zeros(2).double()
    o.edge("empty", name, f"metrics.{name}(p, y, 2)", lambda p, y: zeros, p=labels0, y=labels0)
    o.edge("one", name, f"metrics.{name}(p, y, 2)", lambda p, y: torch.tensor([[0, 0], [0, 1]]) if f is None else torch.tensor([0.0, 1.0]).double(), p=np.array([1]), y=np.array([1]))
    o.edge("zero", name, f"metrics.{name}(p, y, 2)", lambda p, y: torch.tensor([[0, 2], [0, 0]]) if f is None else zeros, p=np.array([1, 1]), y=np.array([0, 0]))
o.edge("one inf", "perplexity", "(metrics.perplexity(x, y), metrics.perplexity(z, y))", lambda x, y, z: (torch.tensor(1.0).double(), torch.tensor(inf).double()), grad=(), x=np.array([[3.0]]), y=np.array([0]), z=np.array([[-inf, 1.0]]))
o.edge("empty", "perplexity", "metrics.perplexity(x, y)", NAN, grad=(), x=none2, y=labels0)
for name in ["mae", "rmse", "r2"]:
    o.edge("empty", name, f"metrics.{name}(x, y)", NAN, grad=(), x=np.zeros(0), y=np.zeros(0))
    o.edge("nan", name, f"metrics.{name}(x, y)", NAN, grad=(), x=np.array([nan, 1.0]), y=np.zeros(2))
for name in ["mae", "rmse"]:
    o.edge("one ties", name, f"metrics.{name}(x, y)", lambda x, y: torch.zeros(()).double(), grad=(), x=np.array([2.0]), y=np.array([2.0]))
o.edge("one ties", "r2", "(metrics.r2(x, y), metrics.r2(y, y))", lambda x, y: (torch.tensor(-inf).double(), torch.tensor(nan).double()), grad=(), x=np.array([2.0, 1.0]), y=np.array([2.0, 2.0]),
       differs="where all y are equal it is -inf, or NaN if all are met (0 and 1 in scikit-learn).")
