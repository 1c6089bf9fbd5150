"""LocalStack as the local cloud of Parkade: without Docker, on the loopback interface, close to AWS where it matters,
fast.

`python -m parkade_localstack` starts it.  `patches.py` lists every change made to LocalStack. Each patch can be
disabled by name, to see what it is for.
"""
