"""Doubles and checkers that tests of swarm, of what is built on it, and its demo use."""
