"""The untrusted side: what runs next to an agent, and how the trusted side talks to it.

Standard library only, and nothing else of swarm: `tool_host.py` and what it imports are mounted
into agent containers as they are.
"""
