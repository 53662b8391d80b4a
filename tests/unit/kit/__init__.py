"""Tests of functions/kit."""
