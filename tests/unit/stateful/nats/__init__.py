"""Tests of stateful/nats."""
