"""The org's objects as data: one module an area, and what they become under a namespace."""

from coupon_pipeline.sandbox.salesforce.schema.catalogue import build_schema
from coupon_pipeline.sandbox.salesforce.schema.model import ChildLink, Field, ObjectType, Schema

__all__ = ["ChildLink", "Field", "ObjectType", "Schema", "build_schema"]
