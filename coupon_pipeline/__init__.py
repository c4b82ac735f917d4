"""Coupons signed in Salesforce CPQ become exactly those discounts in Stripe, once."""
