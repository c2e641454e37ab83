"""Measured statistics of random subset-sum problems, and the table of them that is shipped."""
