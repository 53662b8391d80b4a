"""Tests of stateful/nats on real servers."""
