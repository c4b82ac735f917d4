"""A plan as Markdown, for a review in a pull request. Text from Salesforce stays text."""

from coupon_pipeline.assets.plan_orders import OrderPlan
from coupon_pipeline.assets.planning import Planned
from coupon_pipeline.cli.plan_showing import SIGNS, totals
from coupon_pipeline.cli.showing import days_of
from coupon_pipeline.domain.text_as_data import markdown_text


def plan_markdown(planned: Planned) -> str:
    """The whole plan: totals first, then a section for each order."""
    days = days_of(planned.selection)
    lines = [
        "## Plan",
        "",
        f"{planned.report.orders} orders activated {days}: **{totals(planned)}**.",
        "",
        *(f"- {money.sentence}" for money in planned.money),
        f"- {planned.cost.sentence}",
        *(f"- **A sync would stop:** {markdown_text(stop.message)}" for stop in planned.stops),
        *(f"- {markdown_text(each.subscription_id)}: {each.sentence}" for each in planned.invoices),
        *(
            f"- {markdown_text(each.target_id)}: {markdown_text(each.sentence)}"
            for each in planned.not_previewed
        ),
    ]
    for order in planned.orders:
        lines += _order_lines(order)
    return "\n".join(lines)


def _order_lines(order: OrderPlan) -> list[str]:
    target = markdown_text(order.target_id) if order.target_id else "not in Stripe yet"
    lines = [
        "",
        f"### Order {markdown_text(order.order_number)}",
        "",
        f"{order.order_id}, activated {order.activated_at:%Y-%m-%d}, {target}",
        "",
        "| | what | why |",
        "|---|---|---|",
    ]
    for action in order.actions:
        why = "; ".join([action.reason, *(f"new because {each}" for each in action.differences)])
        code = f"`{action.code}` " if action.code else ""
        lines.append(
            f"| `{SIGNS[action.verb][0]}` {action.verb} | {code}{markdown_text(action.subject)} "
            f"| {markdown_text(why)} |"
        )
    return lines
