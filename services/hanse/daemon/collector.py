"""How often Python's garbage collector looks for cycles."""

# Jobs live long and make no cycles: with the default thresholds a fifth of a busy daemon's time went into walking them.
# The first is how many objects one look goes through, for which everything stands still: 100,000 were 25 ms.
GC_THRESHOLDS = (10_000, 500, 1_000)
