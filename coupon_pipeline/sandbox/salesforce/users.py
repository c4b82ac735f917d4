"""The people and integrations that use the org."""

from dataclasses import dataclass

from coupon_pipeline.sandbox.salesforce.access import Access


@dataclass(slots=True)
class User:
    """Someone who can log in: a record of `User` with rights and a default currency."""

    id: str
    username: str
    password: str
    access: Access
    currency: str
