"""LocalStack as a local cloud for Parkade: without Docker, on the loopback interface, faithful where it matters, fast.

`python -m parkade_localstack` starts it.  `mends.py` lists every change made to LocalStack, each of which can be left
out by name to see what it is for.
"""
