"""Doubles and checkers that tests of swarm and of what is built on it can use."""
