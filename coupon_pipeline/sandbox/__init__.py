"""The two services as they really behave, on this machine, for trying, rehearsing and testing."""

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.sandbox.serving import Addresses, Sandbox
from coupon_pipeline.sandbox.switches import Switches

__all__ = ["Addresses", "Clock", "FaultRule", "Sandbox", "Switches"]
