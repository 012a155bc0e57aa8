"""Measures the targets T1 to T5b and S1 to S5, S9: each figure is one line of JSON with the floor or the peer of the same run.

`python -m bench all|seeing|serving|NAME... [--quick]`. Everything runs on the loopback address and ends with the command.
"""
