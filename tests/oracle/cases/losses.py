# Losses, of shapes, weights, margins and extreme inputs.
import torch
import torch.nn.functional as F

IMPORTS = ["nn"]
logits, labels = o.normal(4, 5), o.array([0, 4, 2, 2])
w = o.uniform(5, lo=0.2, hi=2.0)
o.case("cross_entropy", "cross_entropy(x, y)", F.cross_entropy, x=logits, y=labels)
o.case("cross_entropy", "cross_entropy(x, y, label_smoothing = 0.1)", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), x=logits, y=labels)
o.case("cross_entropy", "cross_entropy(x, y, weight = w)", lambda x, y, w: F.cross_entropy(x, y, w), grad=("x",), x=logits, y=labels, w=w)
o.case("cross_entropy", "cross_entropy(x, y, ignore = 2)", lambda x, y: F.cross_entropy(x, y, ignore_index=2), x=logits, y=labels)
o.case("cross_entropy", "cross_entropy(x, y, 0.2, w, -1)", lambda x, y, w: F.cross_entropy(x, y, w, label_smoothing=0.2, ignore_index=-1),
       grad=("x",), x=logits, y=o.array([0, -1, 2, 3]), w=w)
o.case("cross_entropy", "cross_entropy(x, y)", lambda x, y: F.cross_entropy(x.reshape(-1, 4), y.reshape(-1)), x=o.normal(2, 3, 4), y=o.integers(2, 3, hi=4))
o.case("cross_entropy", "cross_entropy(x, y)", F.cross_entropy, x=o.normal(3, 4, sd=300.0), y=o.integers(3, hi=4))
o.case("nll", "nn.nll(x, y)", F.nll_loss, x=logits, y=labels)
o.case("nll", "nn.nll(x, y, w, 2)", lambda x, y, w: F.nll_loss(x, y, w, ignore_index=2), grad=("x",), x=logits, y=labels, w=w)
for shape in [(6,), (2, 3)]:
    a, b = o.normal(*shape), o.normal(*shape)
    sign = o.bools(*shape) * 2.0 - 1.0
    o.case("binary_cross_entropy", "nn.binary_cross_entropy(p, y)", F.binary_cross_entropy, p=o.uniform(*shape, lo=0.05, hi=0.95), y=o.uniform(*shape), grad=("p",))
    o.case("binary_cross_entropy_with_logits", "nn.binary_cross_entropy_with_logits(x, y)", F.binary_cross_entropy_with_logits, x=a, y=o.uniform(*shape))
    o.case("binary_cross_entropy_with_logits", "nn.binary_cross_entropy_with_logits(x, y, 3.0)",
           lambda x, y: F.binary_cross_entropy_with_logits(x, y, pos_weight=torch.tensor(3.0, dtype=torch.float64)), x=a, y=o.uniform(*shape))
    o.case("mse", "mse(a, b)", F.mse_loss, a=a, b=b)
    o.case("l1", "nn.l1(a, b)", F.l1_loss, a=a, b=b)
    o.case("huber", "nn.huber(a, b, 0.7)", lambda a, b: F.huber_loss(a, b, delta=0.7), a=a, b=b)
    o.case("smooth_l1", "nn.smooth_l1(a, b, 0.7)", lambda a, b: F.smooth_l1_loss(a, b, beta=0.7), a=a, b=b)
    o.case("hinge", "nn.hinge(s, y)", lambda s, y: torch.relu(1 - y * s).mean(), grad=("s",), s=a, y=sign)
    o.case("soft_margin", "nn.soft_margin(s, y)", F.soft_margin_loss, grad=("s",), s=a, y=sign)
    o.case("margin_ranking", "nn.margin_ranking(a, b, y, 0.3)", lambda a, b, y: F.margin_ranking_loss(a, b, y, 0.3), grad=("a", "b"), a=a, b=b, y=sign)
    o.case("poisson_nll", "nn.poisson_nll(a, y)", F.poisson_nll_loss, grad=("a",), a=a, y=o.integers(*shape).astype(float))
    o.case("gaussian_nll", "nn.gaussian_nll(a, b, v)", F.gaussian_nll_loss, a=a, b=b, v=o.uniform(*shape, lo=0.1, hi=2.0))

    def focal(x, y):
        p = torch.sigmoid(x)
        hit = p * y + (1 - p) * (1 - y)
        return ((0.25 * y + 0.75 * (1 - y)) * (1 - hit) ** 2 * F.binary_cross_entropy_with_logits(x, y, reduction="none")).mean()
    o.case("focal", "nn.focal(x, y)", focal, grad=("x",), x=a, y=o.bools(*shape) * 1.0)
o.case("binary_cross_entropy", "nn.binary_cross_entropy(p, y)", F.binary_cross_entropy, grad=(), p=o.array([0.0, 1.0, 0.0]), y=o.array([0.0, 1.0, 1.0]))
o.case("binary_cross_entropy_with_logits", "nn.binary_cross_entropy_with_logits(x, y)", F.binary_cross_entropy_with_logits, x=o.array([-800.0, 0.0, 800.0]), y=o.array([1.0, 0.0, 0.5]))
p = o.uniform(3, 4, lo=0.0, hi=1.0)
p[0, 1] = 0.0
p = (p / p.sum(1, keepdims=True)).round(6)
o.case("kl_divergence", "nn.kl_divergence(log_softmax(x), p)", lambda x, p: F.kl_div(torch.log_softmax(x, 1), p, reduction="batchmean"), grad=("x",), x=o.normal(3, 4), p=p)
o.case("multi_hinge", "nn.multi_hinge(x, y)", F.multi_margin_loss, x=logits, y=labels)
o.case("cosine_similarity", "nn.cosine_similarity(a, b)", lambda a, b: F.cosine_similarity(a, b, -1), a=o.normal(2, 3, 4), b=o.normal(2, 3, 4))
o.case("cosine_embedding", "nn.cosine_embedding(a, b, y, 0.1)", lambda a, b, y: F.cosine_embedding_loss(a, b, y, 0.1), grad=("a", "b"),
       a=o.normal(3, 4), b=o.normal(3, 4), y=o.array([1.0, -1.0, -1.0]))
o.case("triplet", "nn.triplet(a, b, c)", F.triplet_margin_loss, a=o.normal(3, 4), b=o.normal(3, 4), c=o.normal(3, 4))
o.case("contrastive", "nn.contrastive(a, b, y, 2.0)", lambda a, b, y: (y * F.pairwise_distance(a, b) ** 2 + (1 - y) * torch.relu(2 - F.pairwise_distance(a, b)) ** 2).mean(),
       grad=("a", "b"), a=o.normal(3, 4), b=o.normal(3, 4), y=o.array([1.0, 0.0, 0.0]))
o.case("info_nce", "nn.info_nce(a, b, 0.5)", lambda a, b: F.cross_entropy(F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / 0.5, torch.arange(3)), a=o.normal(3, 4), b=o.normal(3, 4))
for targets, lengths, sizes in [([[1, 2, 2], [3, 1, 1]], [6, 5], [3, 2]), ([[1, 1], [2, 3]], [6, 4], [2, 2]), ([[3], [1]], [1, 6], [1, 0])]:
    o.case("ctc", "nn.ctc(log_softmax(x), targets, lengths, sizes)",
           lambda x, targets, lengths, sizes: F.ctc_loss(torch.log_softmax(x, 2).transpose(0, 1), targets, lengths, sizes),
           x=o.normal(2, 6, 4), targets=o.array(targets), lengths=o.array(lengths), sizes=o.array(sizes))

# what becomes of the elements or rows
for reduction in ("none", "sum"):
    said = f'reduction = "{reduction}"'
    a, b, y = o.normal(2, 3), o.normal(2, 3), o.bools(2, 3) * 1.0
    sign = y * 2.0 - 1.0
    for name, call, f, given in [
            ("mse", "mse(a, b", lambda a, b: F.mse_loss(a, b, reduction=reduction), dict(a=a, b=b)),
            ("l1", "nn.l1(a, b", lambda a, b: F.l1_loss(a, b, reduction=reduction), dict(a=a, b=b)),
            ("huber", "nn.huber(a, b", lambda a, b: F.huber_loss(a, b, reduction=reduction), dict(a=a, b=b)),
            ("smooth_l1", "nn.smooth_l1(a, b", lambda a, b: F.smooth_l1_loss(a, b, reduction=reduction), dict(a=a, b=b)),
            ("binary_cross_entropy_with_logits", "nn.binary_cross_entropy_with_logits(a, b", lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction=reduction), dict(a=a, b=y)),
            ("hinge_embedding", "nn.hinge_embedding(a, b, 0.7", lambda a, b: F.hinge_embedding_loss(a, b, 0.7, reduction=reduction), dict(a=a, b=sign)),
            ("soft_margin", "nn.soft_margin(a, b", lambda a, b: F.soft_margin_loss(a, b, reduction=reduction), dict(a=a, b=sign)),
            ("multilabel_soft_margin", "nn.multilabel_soft_margin(a, b", lambda a, b: F.multilabel_soft_margin_loss(a, b, reduction=reduction), dict(a=a, b=y)),
            ("poisson_nll", "nn.poisson_nll(a, b", lambda a, b: F.poisson_nll_loss(a, b, reduction=reduction), dict(a=a, b=y)),
            ("gaussian_nll", "nn.gaussian_nll(a, b, exp(b)", lambda a, b: F.gaussian_nll_loss(a, b, torch.exp(b), reduction=reduction), dict(a=a, b=b))]:
        o.case(name, f"{call}, {said})", f, grad=("a",), **given)
    for options, f in [("", lambda x, y, w: F.cross_entropy(x, y, reduction=reduction)),
                       (", weight = w", lambda x, y, w: F.cross_entropy(x, y, w, reduction=reduction)),
                       (", label_smoothing = 0.2, ignore = 1", lambda x, y, w: F.cross_entropy(x, y, label_smoothing=0.2, ignore_index=1, reduction=reduction))]:
        o.case("cross_entropy", f"cross_entropy(x, y{options}, {said})", f, grad=("x",), x=o.normal(4, 3), y=o.array([0, 2, 1, 1]), w=o.uniform(3, lo=0.2, hi=2.0))
    o.case("cross_entropy", f"cross_entropy(x, y, {said})", lambda x, y: F.cross_entropy(x.transpose(1, 2), y, reduction=reduction), x=o.normal(2, 3, 4), y=o.integers(2, 3, hi=4))
    o.case("nll", f"nn.nll(x, y, w, {said})", lambda x, y, w: F.nll_loss(x, y, w, reduction=reduction), grad=("x",), x=o.normal(4, 3), y=o.array([0, 2, 1, 1]), w=o.uniform(3, lo=0.2, hi=2.0))
    o.case("multi_hinge", f"nn.multi_hinge(x, y, {said})", lambda x, y: F.multi_margin_loss(x, y, reduction=reduction), x=o.normal(3, 4), y=o.array([0, 3, 3]))
    o.case("triplet", f"nn.triplet(a, b, c, {said})", lambda a, b, c: F.triplet_margin_loss(a, b, c, reduction=reduction), a=o.normal(3, 4), b=o.normal(3, 4), c=o.normal(3, 4))
    o.case("cosine_embedding", f"nn.cosine_embedding(a, b, y, 0.1, {said})", lambda a, b, y: F.cosine_embedding_loss(a, b, y, 0.1, reduction=reduction), grad=("a", "b"),
           a=o.normal(3, 4), b=o.normal(3, 4), y=o.array([1.0, -1.0, -1.0]))
    o.case("ctc", f"nn.ctc(log_softmax(x), targets, lengths, sizes, {said})",
           lambda x, targets, lengths, sizes: F.ctc_loss(torch.log_softmax(x, 2).transpose(0, 1), targets, lengths, sizes, reduction=reduction),
           x=o.normal(2, 6, 4), targets=o.array([[1, 2, 2], [3, 1, 1]]), lengths=o.array([6, 5]), sizes=o.array([3, 2]))
o.case("hinge_embedding", "nn.hinge_embedding(x, y)", F.hinge_embedding_loss, grad=("x",), x=o.uniform(5, hi=2.0), y=o.array([1.0, -1.0, -1.0, 1.0, -1.0]))
o.case("multilabel_soft_margin", "nn.multilabel_soft_margin(x, y)", F.multilabel_soft_margin_loss, grad=("x",), x=o.normal(3, 4), y=o.bools(3, 4) * 1.0)
o.case("log_cosh", "nn.log_cosh(a, b)", lambda a, b: torch.log(torch.cosh(a - b)).mean(), a=o.normal(5), b=o.normal(5))
o.case("quantile_loss", "nn.quantile_loss(x, y, 0.8)", lambda x, y: torch.where(y > x, 0.8 * (y - x), 0.2 * (x - y)).mean(), x=o.normal(5), y=o.normal(5))
o.case("pairwise_distance", "nn.pairwise_distance(a, b)", F.pairwise_distance, a=o.normal(3, 4), b=o.normal(3, 4))
o.case("dice", "nn.dice(p, y, 1.0)", lambda p, y: (1 - (2 * (p * y).sum((1, 2)) + 1) / (p.sum((1, 2)) + y.sum((1, 2)) + 1)).mean(), grad=("p",), p=o.uniform(2, 3, 4), y=o.bools(2, 3, 4) * 1.0)
