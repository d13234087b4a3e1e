"""The test kit: a virtual clock, a faulty network, files that lose power, and what is built on them.

Nothing else in the package imports it.
"""
