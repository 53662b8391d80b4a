"""Tests of functions/gateway."""
