"""Orders in portions: those that have to be decided together stay together."""

from collections.abc import Iterable, Sequence


def portions_of(
    order_ids: Sequence[str], bonds: Iterable[tuple[str, str]], at_most: int
) -> list[list[str]]:
    """The orders in portions, each in the given order.

    Args:
        order_ids: the orders, by time of activation.
        bonds: order and what it shares with others, such as a subscription; orders that share
            something are never parted, nor are those that share with the same third one.
        at_most: how many orders a portion holds, unless more belong together.
    """
    groups = _Groups(order_ids)
    for order_id, shared in bonds:
        groups.tie(order_id, shared)
    together: dict[str, list[str]] = {}
    for order_id in order_ids:
        together.setdefault(groups.root(order_id), []).append(order_id)
    portions: list[list[str]] = []
    for group in together.values():
        if portions and len(portions[-1]) + len(group) <= at_most:
            portions[-1] += group
        else:
            portions.append(group)
    place = {order_id: number for number, order_id in enumerate(order_ids)}
    return [sorted(portion, key=place.__getitem__) for portion in portions]


class _Groups:
    """Disjoint sets of orders, each named by one of them."""

    def __init__(self, order_ids: Iterable[str]) -> None:
        self._parents = {order_id: order_id for order_id in order_ids}
        self._first_with: dict[str, str] = {}

    def root(self, order_id: str) -> str:
        parents = self._parents
        while parents[order_id] != order_id:
            parents[order_id] = parents[parents[order_id]]
            order_id = parents[order_id]
        return order_id

    def tie(self, order_id: str, shared: str) -> None:
        """Put an order together with the first one that has the same."""
        first = self._first_with.setdefault(shared, order_id)
        self._parents[self.root(order_id)] = self.root(first)
