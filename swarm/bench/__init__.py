"""Measurements that anybody can repeat: no-op tasks through the real engine, in real worker processes."""
