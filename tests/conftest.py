"""Shared fixtures."""

pytest_plugins = ["tests.fixtures_engine"]
