"""What a user may see and write: field-level security and object permissions.

A hidden field answers like one that does not exist, which is how the real service looks to a
client: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
"""

from dataclasses import dataclass, field

from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType


@dataclass(slots=True)
class Access:
    """One user's rights; everything that is not taken away is allowed."""

    hidden_objects: set[str] = field(default_factory=set)
    hidden_fields: set[tuple[str, str]] = field(default_factory=set)
    fixed_fields: set[tuple[str, str]] = field(default_factory=set)
    """Fields that can be read, and written neither on creation nor later."""
    no_create: set[str] = field(default_factory=set)
    no_update: set[str] = field(default_factory=set)
    no_delete: set[str] = field(default_factory=set)

    def sees(self, object_type: ObjectType) -> bool:
        """Whether the object exists for this user."""
        return object_type.key not in self.hidden_objects

    def sees_field(self, object_type: ObjectType, a_field: Field) -> bool:
        """Whether the field exists for this user."""
        return (object_type.key, a_field.key) not in self.hidden_fields

    def visible_fields(self, object_type: ObjectType) -> tuple[Field, ...]:
        """The fields that this user can read, in the order of the schema."""
        if not self.hidden_fields:
            return object_type.fields
        return tuple(f for f in object_type.fields if self.sees_field(object_type, f))

    def can_create(self, object_type: ObjectType) -> bool:
        """Whether records can be made."""
        return not object_type.spec.setup and object_type.key not in self.no_create

    def can_update(self, object_type: ObjectType) -> bool:
        """Whether records can be changed."""
        return not object_type.spec.setup and object_type.key not in self.no_update

    def can_delete(self, object_type: ObjectType) -> bool:
        """Whether records can be moved to the recycle bin."""
        return not object_type.spec.setup and object_type.key not in self.no_delete

    def can_set(self, object_type: ObjectType, a_field: Field, *, creating: bool) -> bool:
        """Whether the field takes a value from this user."""
        allowed = a_field.spec.create if creating else a_field.spec.update
        return allowed and (object_type.key, a_field.key) not in self.fixed_fields

    def hide_object(self, key: str) -> None:
        """Take away every right on an object (its name without namespace)."""
        self.hidden_objects.add(key)

    def hide_field(self, key: str, field_key: str) -> None:
        """Make a field of an object look as if it did not exist."""
        self.hidden_fields.add((key, field_key))


def coupon_user(objects: dict[str, ObjectType]) -> Access:
    """A user with a CPQ licence and nothing but the package's permission set for coupons.

    Quote coupons and associations can be written, order coupons only made and read.
    """
    writable = {
        "Quote_Stripe_Coupon__c",
        "Quote_Stripe_Coupon_Association__c",
        "Quote_Line_Stripe_Coupon_Association__c",
    }
    order_coupon = objects["Order_Stripe_Coupon__c"]
    read_only = {key for key in objects if key not in writable}
    return Access(
        hidden_objects={"Sync_Record__c", "PermissionSetAssignment"},
        fixed_fields={
            (order_coupon.key, f.key)
            for f in order_coupon.fields
            if not f.spec.no_field_permission and f.key != "OwnerId"
        },
        no_create=read_only - {order_coupon.key},
        no_update=read_only,
        no_delete=read_only,
    )
