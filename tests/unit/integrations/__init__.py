"""Unit tests of functions/integrations."""
