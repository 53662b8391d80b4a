"""Tests of stateful/ on real servers."""
