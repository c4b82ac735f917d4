"""A plan on a terminal: order by order, then what it comes to."""

from collections import Counter
from pathlib import Path

from rich.text import Text

from coupon_pipeline.assets.plan_orders import OrderPlan, PlannedAction, Verb
from coupon_pipeline.assets.planning import Planned
from coupon_pipeline.cli.showing import days_of, show_problems
from coupon_pipeline.cli.terminal import Terminal

SIGNS: dict[Verb, tuple[str, str]] = {
    "create": ("+", "green"),
    "attach": ("+", "green"),
    "adopt": ("~", "yellow"),
    "update": ("~", "yellow"),
    "write": ("~", "yellow"),
    "reuse": ("=", "dim"),
    "wait": (".", "yellow"),
    "block": ("!", "bold red"),
}
"""As people know them from Terraform: what is added, changed, left, or in the way."""


def show_plan(planned: Planned, out: Path | None = None) -> None:
    """What a sync would do."""
    console = Terminal()
    console.print(
        Text(
            f"{planned.report.orders} orders activated {days_of(planned.selection)}. A sync would:"
        )
    )
    for order in planned.orders:
        _show_order(console, order)
    if not planned.writes:
        console.print("  change nothing.")
    for invoice in planned.invoices:
        console.print(Text(f"  {invoice.subscription_id}: {invoice.sentence}"))
    for each in planned.not_previewed:
        console.print(Text(f"  {each.target_id}: {each.sentence}"))
    console.print(Text(f"\nPlan: {totals(planned)}."))
    for money in planned.money:
        console.print(Text(f"Money of {money.sentence}."))
    if planned.writes:
        console.print(Text(f"Applying it takes {planned.cost.sentence}.", style="dim"))
    for stop in planned.stops:
        console.print(Text(f"A sync would stop: {stop.message}", style="bold red"))
        console.print(Text(f"    {stop.fix}", style="dim"))
    told = {action.code for order in planned.orders for action in order.actions}
    show_problems(console, [p for p in planned.report.problems if p.code not in told])
    if out is not None:
        console.print(Text(f"\nSaved. To make exactly these writes: coupon-pipeline apply {out}"))


def totals(planned: Planned) -> str:
    """How much of each there is; coupons count once however many orders use them."""
    actions = [action for order in planned.orders for action in order.actions]
    verbs = Counter(action.verb for action in actions)
    targets = {a.stripe_id for a in actions if a.verb == "update" and a.subject == a.stripe_id}
    counts = {
        "to create": planned.report.coupons["created"],
        "to adopt": planned.report.coupons["adopted"],
        "to update": planned.report.coupons["updated"],
        "to attach": planned.report.attachments["attached"],
        "subscriptions or schedules to update": len(targets),
        "records to write in Salesforce": len(
            [write for write in planned.writes if write.system == "salesforce"]
        ),
        "waiting": verbs["wait"],
        "blocked": verbs["block"],
    }
    told = [f"{number} {name}" for name, number in counts.items() if number]
    return ", ".join(told) or "nothing to do"


def _show_order(console: Terminal, order: OrderPlan) -> None:
    activated = f"activated {order.activated_at:%Y-%m-%d}"
    target = order.target_id or "not in Stripe yet"
    head = f"Order {order.order_number} ({order.order_id}), {activated}, {target}"
    console.print(Text(f"\n  {head}", style="bold"))
    for action in order.actions:
        _show_action(console, action)


def _show_action(console: Terminal, action: PlannedAction) -> None:
    sign, style = SIGNS[action.verb]
    line = Text(f"    {sign} {action.verb} ", style=style)
    code = f"{action.code}: " if action.code else ""
    line.append(f"{code}{action.subject}", style="default")
    console.print(line)
    console.print(Text(f"        {action.reason}", style="dim"))
    for difference in action.differences:
        console.print(Text(f"        new because {difference}", style="dim"))
