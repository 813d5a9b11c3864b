"""How often Python's garbage collector looks for cycles."""

# Jobs live long and make no cycles: with the default thresholds a fifth of a busy daemon's time went into walking them.
GC_THRESHOLDS = (100_000, 50, 1_000)
