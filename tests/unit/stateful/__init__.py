"""Tests of stateful/."""
