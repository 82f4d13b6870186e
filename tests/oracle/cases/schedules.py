# Schedules: every rate of 100 steps, as PyTorch's schedulers give them.
import numpy as np
import torch

IMPORTS = ["schedule"]
S = torch.optim.lr_scheduler


def rates(make, steps=100):
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    plan = make(opt)
    out = []
    for _ in range(steps):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        if len(out) < steps:
            plan.step()
    return torch.tensor(out, dtype=torch.float64)


def same(name, tenon, make, also=()):
    o.case(name, f"let plan = {tenon}\n[f64(plan(i, 100)) for i in 0..100]", lambda: rates(make) if not isinstance(make, torch.Tensor) else make,
           note="100 rates of " + tenon, also=also)


def lambdas(f):
    return torch.tensor([f(i) for i in range(100)], dtype=torch.float64)


same("step", "schedule.step(0.1, 30, 0.5)", lambda p: S.StepLR(p, 30, 0.5))
same("multistep", "schedule.multistep(0.1, [20, 50, 51])", lambda p: S.MultiStepLR(p, [20, 50, 51]))
same("exponential", "schedule.exponential(0.1, 0.95)", lambda p: S.ExponentialLR(p, 0.95))
same("linear", "schedule.linear(0.1, 0.02, over = 40)", lambda p: S.LinearLR(p, 1.0, 0.2, 40))
same("polynomial", "schedule.polynomial(0.1, 2.0, over = 80)", lambda p: S.PolynomialLR(p, 80, 2.0))
same("cosine", "cosine(0.1)", lambda p: S.CosineAnnealingLR(p, 100))
same("cosine_restarts", "schedule.cosine_restarts(0.1, 10, floor = 0.01)", lambda p: S.CosineAnnealingWarmRestarts(p, 10, 1, 0.01))
same("cosine_restarts", "schedule.cosine_restarts(0.1, 7, growth = 2)", lambda p: S.CosineAnnealingWarmRestarts(p, 7, 2))
same("one_cycle", "schedule.one_cycle(0.1)", lambda p: S.OneCycleLR(p, 0.1, 100))
same("cyclic", "schedule.cyclic(0.01, 0.1, rise = 8)", lambda p: S.CyclicLR(p, 0.01, 0.1, 8, cycle_momentum=False))
same("cyclic", "schedule.cyclic(0.01, 0.1, rise = 8, fall = 4)", lambda p: S.CyclicLR(p, 0.01, 0.1, 8, 4, cycle_momentum=False))
same("constant", "constant(0.1, warmup = 5)", lambdas(lambda i: 0.1 * min(1, (i + 1) / 5)))
same("inverse_sqrt", "schedule.inverse_sqrt(0.1, 20)", lambdas(lambda i: 0.1 * min((i + 1) / 20, (20 / (i + 1)) ** 0.5)))
same("warmup", "schedule.warmup(schedule.exponential(0.1, 0.9), 10)", lambdas(lambda i: 0.1 * (i + 1) / 10 if i < 10 else 0.1 * 0.9 ** (i - 10)))
same("then", "schedule.then(constant(0.1), 30, schedule.exponential(0.02, 0.9))", lambda p: S.SequentialLR(p, [
    S.LambdaLR(p, lambda i: 1.0), S.LambdaLR(p, lambda i: 0.2 * 0.9 ** i)], [30]))


def plateau(losses):
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    plan = S.ReduceLROnPlateau(opt, factor=0.3, patience=3, cooldown=2, min_lr=1e-3)
    out = []
    for x in losses:
        plan.step(float(x))
        out.append(opt.param_groups[0]["lr"])
    return torch.tensor(out, dtype=torch.float64)


o.case("plateau", """var plan = schedule.plateau(0.1, factor = 0.3, patience = 3, cooldown = 2, floor = 1e-3)
var rates = zeros(60, dtype = f64)
for i in 0..60 {
  plan = plan.watch(losses[i])
  rates[i] = plan.rate
}
rates""", plateau, note="rates on a plateau", grad=(), losses=np.maximum(o.uniform(60), 0.3))
