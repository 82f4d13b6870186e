# Metrics, against their definitions in NumPy; ties in scores, classes that never occur.
import numpy as np
import torch
import torch.nn.functional as F

IMPORTS = ["metrics"]


def confusion(p, y, n=4):
    m = np.zeros((n, n), dtype=np.int64)
    for a, b in zip(y.numpy(), p.numpy()):
        m[a, b] += 1
    return m


def ratio(a, b):
    return np.where(b > 0, a / np.where(b > 0, b, 1), 0.0)


def auc(s, y):
    s, y = s.detach().numpy(), y.numpy()
    pairs = [(1.0 if a > b else 0.5 if a == b else 0.0) for a in s[y == 1] for b in s[y == 0]]
    return np.mean(pairs)


for n, k in [(12, 4), (7, 3)]:
    p, y = o.integers(n, hi=k), o.integers(n, hi=k)
    o.case("confusion_matrix", "metrics.confusion_matrix(p, y, 4)", lambda p, y: confusion(p, y), p=p, y=y)
    o.case("precision", "metrics.precision(p, y, 4)", lambda p, y: ratio(np.diag(confusion(p, y)), confusion(p, y).sum(0)), p=p, y=y)
    o.case("recall", "metrics.recall(p, y, 4)", lambda p, y: ratio(np.diag(confusion(p, y)), confusion(p, y).sum(1)), p=p, y=y)
    o.case("f1", "metrics.f1(p, y, 4)", lambda p, y: ratio(2 * np.diag(confusion(p, y)), confusion(p, y).sum(0) + confusion(p, y).sum(1)), p=p, y=y)
    x = o.normal(n, 5)
    o.case("top_k_accuracy", "metrics.top_k_accuracy(x, y, 2)", lambda x, y: (x.topk(2).indices == y[:, None]).any(1).double().mean(), x=x, y=o.integers(n, hi=5))
    o.case("perplexity", "metrics.perplexity(x, y)", lambda x, y: F.cross_entropy(x, y).exp(), x=x, y=o.integers(n, hi=5))
    for digits in (3, 0):
        o.case("auc", "metrics.auc(s, y)", auc, grad=(), s=o.normal(n, digits=digits), y=np.arange(n) % 2)
    a, b = o.normal(n), o.normal(n)
    o.case("mae", "metrics.mae(a, b)", F.l1_loss, a=a, b=b)
    o.case("rmse", "metrics.rmse(a, b)", lambda a, b: F.mse_loss(a, b).sqrt(), a=a, b=b)
    o.case("r2", "metrics.r2(a, b)", lambda a, b: 1 - ((a - b) ** 2).sum() / ((b - b.mean()) ** 2).sum(), a=a, b=b)
