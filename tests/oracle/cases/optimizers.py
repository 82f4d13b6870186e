# Optimizers: 100 steps on a small problem with a matrix and a vector, the parameters after 1, 10 and 100 of them.
# What PyTorch lacks (lion, lamb) is written out here from the papers.
import torch

IMPORTS = ["optim"]
torch.set_default_dtype(torch.float64)  # NAdam keeps a product of its own in the default dtype
a0, b0 = o.normal(3, 2), o.normal(3)
target, slope = o.normal(3, 2), o.normal(4, 3, sd=0.7)


def loss_torch(a, b):
    t, m = torch.as_tensor(target), torch.as_tensor(slope)
    return ((a - t) ** 2 * torch.arange(1.0, 7.0, dtype=torch.float64).reshape(3, 2)).sum() / 6 + torch.log(1 + torch.exp(m @ b)).sum() + (b ** 4).sum() / 4


def program(make, after="opt.step(net, g)", steps=100, before=""):
    return f"""let t = f64({target.tolist()})
let m = f64({slope.tolist()})
let w = cast([[1, 2], [3, 4], [5, 6]], f64)
let loss = fn(n) = sum((n.a - t) ** 2 * w) / 6.0 + sum(log(1.0 + exp(m @ n.b))) + sum(n.b ** 4) / 4.0
var net = {{a: a, b: b}}
var opt = {make}
var first = net
var tenth = net
{before}for i in 0..{steps} {{
  let g = grad(loss)(net)
  (net, opt) = {after}
  if i == 0 {{ first = net }}
  if i == 9 {{ tenth = net }}
}}
(first.a, first.b, tenth.a, tenth.b, net.a, net.b)"""


def follow(make, steps=100, hook=None):
    def reference(a, b):
        p = [a.detach().clone().requires_grad_(True), b.detach().clone().requires_grad_(True)]
        opt = make(p)
        out = []
        for i in range(steps):
            def closure():
                opt.zero_grad()
                l = loss_torch(*p)
                l.backward()
                if hook:
                    hook(p)
                return l
            if isinstance(opt, torch.optim.LBFGS):
                opt.step(closure)
            elif isinstance(opt, tuple):
                closure2 = torch.autograd.grad(loss_torch(*p), p)
                with torch.no_grad():
                    opt[0](i + 1, p, closure2)
            else:
                closure()
                opt.step()
                if hasattr(make, "scheduler"):
                    make.scheduler.step()
            if i in (0, 9, steps - 1):
                out += [x.detach().clone() for x in p]
        return tuple(out)
    return reference


def same(name, tenon, make, also=(), **more):
    o.case(name, program(tenon, **{k: v for k, v in more.items() if k in ("after", "before")}), follow(make, hook=more.get("hook")),
           note="100 steps: " + tenon, grad=(), also=also, a=a0, b=b0)


O = torch.optim
same("sgd", "sgd(net, lr = 0.05, weight_decay = 0.1)", lambda p: O.SGD(p, 0.05, weight_decay=0.1))
same("momentum", "momentum(net, lr = 0.02)", lambda p: O.SGD(p, 0.02, momentum=0.9))
same("momentum", "momentum(net, lr = 0.02, weight_decay = 0.1, nesterov = true)", lambda p: O.SGD(p, 0.02, momentum=0.9, weight_decay=0.1, nesterov=True))
same("adam", "adam(net, lr = 0.05, weight_decay = 0.1)", lambda p: O.Adam(p, 0.05, weight_decay=0.1))
same("adamw", "adamw(net, lr = 0.05, weight_decay = 0.1)", lambda p: O.AdamW(p, 0.05, weight_decay=0.1))
same("adam", "adam(net, lr = 0.05, amsgrad = true)", lambda p: O.Adam(p, 0.05, amsgrad=True))
same("adamw", "adamw(net, lr = 0.05, amsgrad = true)", lambda p: O.AdamW(p, 0.05, amsgrad=True))
same("adagrad", "optim.adagrad(net, lr = 0.3, decay = 0.01, weight_decay = 0.1)", lambda p: O.Adagrad(p, 0.3, lr_decay=0.01, weight_decay=0.1))
same("rmsprop", "optim.rmsprop(net, weight_decay = 0.1)", lambda p: O.RMSprop(p, weight_decay=0.1))
same("rmsprop", "optim.rmsprop(net, lr = 0.001, momentum = 0.9, centered = true)", lambda p: O.RMSprop(p, 0.001, momentum=0.9, centered=True))
same("adadelta", "optim.adadelta(net, weight_decay = 0.1)", lambda p: O.Adadelta(p, weight_decay=0.1))
same("adamax", "optim.adamax(net, lr = 0.02, weight_decay = 0.1)", lambda p: O.Adamax(p, 0.02, weight_decay=0.1))
same("nadam", "optim.nadam(net, lr = 0.02, weight_decay = 0.1)", lambda p: O.NAdam(p, 0.02, weight_decay=0.1))
same("radam", "optim.radam(net, lr = 0.02, weight_decay = 0.1)", lambda p: O.RAdam(p, 0.02, weight_decay=0.1))
same("lbfgs", "optim.lbfgs(net, lr = 0.5, history = 4)", lambda p: O.LBFGS(p, 0.5, max_iter=1, history_size=4))
same("groups", "optim.groups({a: adam(net.a, lr = 0.05), b: sgd(net.b, lr = 0.1)})",
     lambda p: type("Both", (), {"step": lambda s: [x.step() for x in s.all], "zero_grad": lambda s: [x.zero_grad() for x in s.all], "all": [O.Adam(p[:1], 0.05), O.SGD(p[1:], 0.1)]})())
same("clip", "sgd(net, lr = 0.1)", lambda p: O.SGD(p, 0.1), after="opt.step(net, clip(g, 0.5))", hook=lambda p: torch.nn.utils.clip_grad_norm_(p, 0.5), also=["norm"])
same("clip_value", "sgd(net, lr = 0.1)", lambda p: O.SGD(p, 0.1), after="opt.step(net, optim.clip_value(g, 0.2))", hook=lambda p: torch.nn.utils.clip_grad_value_(p, 0.2))


def lion(i, p, g, beta1=0.9, beta2=0.99, lr=0.01, decay=0.1, m={}):
    if i == 1:
        m.clear()
    for k, (x, d) in enumerate(zip(p, g)):
        old = m.get(k, torch.zeros_like(x))
        x -= lr * (torch.sign(beta1 * old + (1 - beta1) * d) + decay * x)
        m[k] = beta2 * old + (1 - beta2) * d


def lamb(i, p, g, beta1=0.9, beta2=0.999, lr=0.02, decay=0.01, eps=1e-6, m={}):
    if i == 1:
        m.clear()
    for k, (x, d) in enumerate(zip(p, g)):
        a, b = m.get(k, (torch.zeros_like(x), torch.zeros_like(x)))
        a, b = beta1 * a + (1 - beta1) * d, beta2 * b + (1 - beta2) * d * d
        m[k] = (a, b)
        r = a / (1 - beta1 ** i) / ((b / (1 - beta2 ** i)).sqrt() + eps) + decay * x
        x -= lr * x.norm() / r.norm() * r


def each_fourth(i, p, g, kept=[]):
    if i == 1:
        kept.clear()
    kept.append(g)
    if i % 4 == 0:
        for k, x in enumerate(p):
            x -= 0.1 * sum(d[k] for d in kept[-4:]) / 4


same("lion", "optim.lion(net, lr = 0.01, weight_decay = 0.1)", lambda p: (lion,))
same("lamb", "optim.lamb(net, lr = 0.02)", lambda p: (lamb,))
same("accumulate", "optim.accumulate(sgd(net, lr = 0.1), net, 4)", lambda p: (each_fourth,))


def averaged(a, b):
    p = [a.detach().clone().requires_grad_(True), b.detach().clone().requires_grad_(True)]
    ema = torch.optim.swa_utils.AveragedModel(torch.nn.ParameterList(p), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    ema.update_parameters(torch.nn.ParameterList(p))
    opt = O.SGD(p, 0.1)
    for _ in range(100):
        opt.zero_grad()
        loss_torch(*p).backward()
        opt.step()
        ema.update_parameters(torch.nn.ParameterList(p))
    return tuple(x.detach().clone() for x in ema.module)


o.case("ema", program("sgd(net, lr = 0.1)", before="var average = net\n").replace("  if i == 0 { first = net }", "  average = optim.ema(average, net, 0.9)")
       .replace("(first.a, first.b, tenth.a, tenth.b, net.a, net.b)", "(average.a, average.b)").replace("  if i == 9 { tenth = net }\n", "").replace("var first = net\nvar tenth = net\n", ""),
       averaged, note="100 steps of sgd and their moving average", grad=(), a=a0, b=b0)
torch.set_default_dtype(torch.float32)
