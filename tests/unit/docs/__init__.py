"""Tests of the generated pages."""
