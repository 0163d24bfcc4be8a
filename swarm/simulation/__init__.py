"""Runs of virtual workers in virtual time, by the scripts that schedule real ones."""
