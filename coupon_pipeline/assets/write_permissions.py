"""What the Salesforce user may not write though the settings say that it is written."""

from coupon_pipeline.salesforce import ORDER_COUPON, QUOTE_COUPON, STRIPE_ID, Description
from coupon_pipeline.settings import Settings


def missing_permissions(description: Description, settings: Settings) -> list[str]:
    """A sentence for each missing permission; what has to be read was found when describing."""
    missing = []
    allowed = settings.coupon_pipeline_write_back
    if "stripe_ids" in allowed:
        for name in (ORDER_COUPON, QUOTE_COUPON):
            found = description.object(name)
            if not found.is_updateable or not found.fields[STRIPE_ID].is_updateable:
                missing.append(f"{found.api_name}.{found.api(STRIPE_ID)} cannot be edited")
    if "order_coupons" in allowed:
        copies = description.object(ORDER_COUPON)
        if not copies.is_createable:
            missing.append(f"{copies.api_name} cannot be created")
    return missing
