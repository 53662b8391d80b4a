"""Attribute-based access control: one Casbin model, the default policies, and what tenants add to them."""
